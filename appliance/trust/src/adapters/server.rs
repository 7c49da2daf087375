//! The local socket compute talks to.

use obscura_local::{Channel, ChannelError, Listener, appliance::TrustRequest};

use crate::application::Service;

/// Serves one conversation after another; a broken one never ends the process.
///
/// # Errors
/// The listener itself failed.
pub fn serve(listener: &Listener, service: &mut Service) -> Result<(), ChannelError> {
    loop {
        match listener.accept() {
            Ok(channel) => match converse(channel, service) {
                ChannelError::Closed => tracing::info!("compute closed its connection"),
                error => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "conversation ended");
                }
            },
            Err(error @ ChannelError::ForeignUser { .. }) => tracing::warn!(%error, "knock refused"),
            Err(error) => return Err(error),
        }
    }
}

fn converse(mut channel: Channel, service: &mut Service) -> ChannelError {
    loop {
        let answered = channel
            .receive::<TrustRequest>()
            .and_then(|request| channel.send(&service.handle(&request)));
        if let Err(error) = answered {
            return error;
        }
    }
}
