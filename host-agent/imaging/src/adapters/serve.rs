//! The conversation with the command line: one file or one drawing, one reply.

use obscura_local::{
    Channel, ChannelError,
    imaging::{self, ImagingReply, ImagingRequest},
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    adapters::{draw::draw, read::read},
    domain::{MAX_FILE_BYTES, Recipe},
};

// Both sides of the socket mean the same by a file that is too long.
const _: () = assert!(imaging::MAX_FILE_BYTES == MAX_FILE_BYTES);

/// Answers requests until the command line closes the socket.
///
/// # Errors
/// [`ChannelError`] when the socket fails in another way.
pub fn serve(channel: &mut Channel) -> Result<(), ChannelError> {
    loop {
        let request = match channel.receive() {
            Ok(request) => request,
            Err(ChannelError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut reply = answer(request);
        let sent = channel.send(&reply);
        if let ImagingReply::Pixels { rgb, .. } = &mut reply {
            drop(Zeroizing::new(std::mem::take(rgb)));
        }
        match sent {
            Err(ChannelError::Io(_)) => return Ok(()),
            sent => sent?,
        }
    }
}

fn answer(request: ImagingRequest) -> ImagingReply {
    let answered = match request {
        ImagingRequest::Read { file, side, crop } => {
            let file = Zeroizing::new(file);
            let pixels = Recipe::new(side, crop).and_then(|recipe| read(&file, recipe));
            pixels.map(|pixels| ImagingReply::Pixels {
                width: pixels.width(),
                height: pixels.height(),
                rgb: pixels.rgb().to_vec(),
            })
        }
        ImagingRequest::Draw(mut drawing) => {
            let png = draw(&drawing);
            drawing.rgb.zeroize();
            png.map(|png| ImagingReply::Picture { png })
        }
    };
    // What a decoder adds to an error helps nobody who only has the picture, so it stays here.
    answered.unwrap_or_else(|error| ImagingReply::Refused {
        text: error.to_string(),
    })
}
