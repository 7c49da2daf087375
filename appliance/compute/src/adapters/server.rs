//! The local socket gate talks to.

use obscura_local::{Channel, ChannelError, Listener, appliance::ComputeRequest};

use crate::{
    application::Service,
    ports::{Engine, Trust},
};

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
                match converse(channel, service) {
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

fn converse<E: Engine, T: Trust>(mut channel: Channel, service: &mut Service<E, T>) -> ChannelError {
    loop {
        let request = match channel.receive::<ComputeRequest>() {
            Ok(request) => request,
            Err(error) => return error,
        };
        let mut sent = Ok(());
        service.handle(request, &mut |reply| {
            if sent.is_ok() {
                sent = channel.send(&reply);
            }
        });
        if let Err(error) = sent {
            return error;
        }
    }
}
