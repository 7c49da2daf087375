//! The agent's link: carries encrypted jobs to the box and answers back, over whatever carrier there is.
//!
//! Holds the device's envelope key and no key of the encryption scheme; sees ciphertexts, names and sizes.
//! `application` is a state machine without I/O; `adapters` own the carrier, the journal and the socket to
//! the command line.
//!
//! Failure model: everything the link knows about a session can be lost at any time. It then says hello
//! again, asks what the box holds, and sends again what has no answer; a re-send repeats the same bytes.

pub mod adapters;
pub mod application;
pub mod domain;
pub mod ports;
