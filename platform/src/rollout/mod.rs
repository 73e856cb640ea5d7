//! Making Kubernetes look like a release, and watching until it does.
//!
//! One pass over an environment reads as
//!
//! 1. [`desired::desired`]: which objects there are to be. Pure.
//! 2. [`apply::apply`]: makes them so. The only place that writes to Kubernetes.
//! 3. [`observe::observe`]: reads what became of them.
//! 4. [`judge::judge`]: whether an appling's version is ready, on its way, or failed, and why. Pure.
//!
//! [`apply::dry_run`] asks what applying would come to, and [`changes`] tells it field by field
//! (pure).
//!
//! [`resync::watch`] says which environment is due for a pass because something in it changed;
//! [`pods`] reads what people want to see of running pods, [`secrets`] what authors refer to; [`traefik`] has those kinds of objects that
//! Kubernetes itself lacks.

pub mod apply;
pub mod changes;
pub mod cluster;
pub mod desired;
pub mod judge;
pub mod labels;
pub mod observe;
pub mod pods;
pub mod resync;
pub mod secrets;
pub mod traefik;
