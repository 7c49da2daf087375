//! The local socket gate talks to. One thread reads it, another works, so that an evaluation of minutes can be
//! stopped by a word or by the end of the connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use obscura_local::{Channel, ChannelError, Listener, appliance::ComputeRequest};
use obscura_protocol::identity::JobId;

use crate::{
    application::Service,
    ports::{Engine, Trust},
};

/// Requests that wait for the worker. Gate asks one thing at a time; whoever asks more waits at the socket.
const WAITING: usize = 1;

/// Serves one conversation after another; a broken one never ends the process.
///
/// # Errors
/// The listener itself failed.
pub fn serve<E: Engine, T: Trust>(
    listener: &Listener,
    service: &mut Service<E, T>,
) -> Result<(), ChannelError> {
    loop {
        match listener.accept() {
            Ok(channel) => {
                match converse(&channel, service) {
                    ChannelError::Closed => tracing::info!("gate closed its connection"),
                    error => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "conversation ended");
                    }
                }
                service.forget_incoming();
            }
            Err(error @ ChannelError::ForeignUser { .. }) => tracing::warn!(%error, "knock refused"),
            Err(error) => return Err(error),
        }
    }
}

/// A request and the word that stops it.
struct Job {
    request: ComputeRequest,
    cancel: Arc<AtomicBool>,
}

/// Reads until the connection ends, and returns once the worker has ended too.
fn converse<E: Engine, T: Trust>(channel: &Channel, service: &mut Service<E, T>) -> ChannelError {
    let (reader, writer) = match (channel.try_clone(), channel.try_clone()) {
        (Ok(reader), Ok(writer)) => (reader, writer),
        (Err(error), _) | (_, Err(error)) => return error,
    };
    thread::scope(|scope| {
        let (jobs, received) = sync_channel(WAITING);
        scope.spawn(move || work(&mut HangUp(writer), service, received));
        read(reader, &jobs)
    })
}

/// Answers until there is nothing more to answer, or nobody to answer to.
fn work<E: Engine, T: Trust>(writer: &mut HangUp, service: &mut Service<E, T>, jobs: Receiver<Job>) {
    for Job { request, cancel } in jobs {
        let mut sent = Ok(());
        service.handle(request, &cancel, &mut |reply| {
            if sent.is_ok() {
                sent = writer.0.send(&reply);
            }
        });
        if sent.is_err() {
            return;
        }
    }
}

/// The worker's end of the conversation: when the worker ends, however it does, so does the reading side.
struct HangUp(Channel);

impl Drop for HangUp {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

/// Hands requests to the worker. Whatever ends the conversation cancels what the worker still has.
fn read(mut channel: Channel, jobs: &SyncSender<Job>) -> ChannelError {
    let mut open = Open::default();
    let error = loop {
        match channel.receive() {
            Ok(ComputeRequest::Cancel { job }) => open.cancel(Some(job)),
            Ok(request) => {
                let cancel = open.add(&request);
                if jobs.send(Job { request, cancel }).is_err() {
                    break ChannelError::Closed;
                }
            }
            Err(error) => break error,
        }
    };
    open.cancel(None);
    error
}

/// Evaluations the worker has or will have.
#[derive(Default)]
struct Open(Vec<(JobId, Arc<AtomicBool>)>);

impl Open {
    /// Notes a request; only evaluations are ever cancelled.
    fn add(&mut self, request: &ComputeRequest) -> Arc<AtomicBool> {
        // Whoever else holds the flag is the worker: nobody does once the evaluation is over.
        self.0.retain(|(_, cancel)| Arc::strong_count(cancel) > 1);
        let cancel = Arc::new(AtomicBool::new(false));
        if let ComputeRequest::Evaluate { job, .. } = request {
            self.0.push((*job, Arc::clone(&cancel)));
        }
        cancel
    }

    /// Cancels what belongs to `job`, or everything.
    fn cancel(&self, job: Option<JobId>) {
        for (_, cancel) in self.0.iter().filter(|(of, _)| job.is_none_or(|job| job == *of)) {
            cancel.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
