//! iterapp-schema
