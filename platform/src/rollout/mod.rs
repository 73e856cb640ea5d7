//! Making Kubernetes look like a release, and watching until it does.
