//! The state machine with a fake engine, store and device: every refusal, and the way through.

mod bad_input;
mod bundles;
mod faults;
mod fixture;
mod forgetting;
mod hostile;
mod outlook;
mod stops;
mod work;
