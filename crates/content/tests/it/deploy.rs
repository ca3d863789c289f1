//! The policies to deploy.
