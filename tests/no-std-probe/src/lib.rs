//! Links the protocol into a static library without std, as firmware behind a serial line would.
//!
//! It is built and never run: that it links is the test. If any crate below the protocol used std, this
//! build would fail with a duplicate panic handler.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::{
    alloc::{GlobalAlloc, Layout},
    panic::PanicInfo,
    time::Duration,
};

use obscura_protocol::{
    envelope::{self, Header},
    identity::{Digest, Identity, PublicKey},
    job::{Signed, Ticket},
    message::{BoxMessage, DeviceMessage},
    serial::link::Link,
    session::Session,
    transfer::{ObjectHeader, Receiver},
};

/// Decodes a message in an envelope and answers with a signed one.
pub fn exchange(
    bytes: &[u8],
    key: &PublicKey,
    identity: &Identity,
    session: &mut Session,
) -> Option<Vec<u8>> {
    let verified = envelope::open(bytes).ok()?.verify(key).ok()?;
    session.admit(&verified.header).ok()?;
    let reply = match DeviceMessage::decode(&verified.payload).ok()? {
        DeviceMessage::Submit { ticket } => BoxMessage::Accepted {
            job: Signed::<Ticket>::verify(&ticket, key).ok()?.statement().job,
        },
        DeviceMessage::Offer { object } => wanted(object)?,
        _ => BoxMessage::Stored {
            object: Digest::of(bytes),
        },
    };
    let header: Header = session.next_header();
    Some(envelope::seal(&header, &reply.encode(), identity))
}

fn wanted(object: ObjectHeader) -> Option<BoxMessage> {
    let mut receiver = Receiver::new(object, u64::MAX).ok()?;
    Some(BoxMessage::Want {
        object: object.digest,
        chunks: receiver.want(8),
        have: receiver.have(),
    })
}

/// Moves what a serial line brought through a link and answers on the line.
pub fn echo(link: &mut Link, now: Duration, line: &[u8]) -> Vec<u8> {
    link.receive(now, line);
    let mut bytes = [0; 64];
    let len = link.read(&mut bytes);
    link.send(&bytes[..len]);
    let mut answer = Vec::new();
    link.transmit(now, 4096, &mut answer);
    answer
}

/// An allocator that has no memory: nothing here is ever run.
struct NoMemory;

// JUSTIFICATION: a static library that uses alloc must name a global allocator, and the trait is unsafe.
// SAFETY: returning null from `alloc` is the documented answer when there is no memory; no pointer is ever
// handed out, so `dealloc` is never called with one.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _layout: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _pointer: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    loop {}
}
