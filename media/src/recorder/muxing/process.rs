//! The muxing process: nothing but GStreamer's muxers between a socket's two directions.

use super::messages::{Answer, FileNumber, Order, Piece};
use crate::recorder::muxer::{Block, Muxer};
use crate::recorder::{program, wire};
use bytes::BytesMut;
use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;

/// Muxes what the server sends, until it closes the socket.
///
/// # Errors
/// The server is gone, or says what no server says.
pub(in crate::recorder) fn serve(socket: UnixStream) -> io::Result<()> {
    let mut muxing = Muxing::default();
    program::answer(socket, |bytes, output| {
        let Some((order, length)) = wire::read::<Order<'_>>(bytes)? else {
            return Ok(None);
        };
        muxing.carry_out(order, output)?;
        Ok(Some(length))
    })
}

#[derive(Default)]
struct Muxing {
    files: HashMap<FileNumber, Muxer>,
    /// Why a file could not be opened.
    unopened: HashMap<FileNumber, String>,
    muxed: Vec<u8>,
}

impl Muxing {
    fn carry_out(&mut self, order: Order<'_>, output: &mut BytesMut) -> io::Result<()> {
        self.muxed.clear();
        let (file, outcome) = match order {
            Order::Open { file, content } => {
                match Muxer::new(content) {
                    Ok(muxer) => {
                        self.files.insert(file, muxer);
                    }
                    Err(error) => {
                        self.unopened.insert(file, error.to_string());
                    }
                }
                return Ok(());
            }
            Order::Blocks { file, blocks } => (file, self.push(file, blocks)),
            Order::Close { file } => (file, self.close(file)),
        };
        let answer = match outcome {
            Ok(()) => Answer::Muxed {
                file,
                bytes: &self.muxed,
            },
            Err(error) => Answer::Refused { file, error },
        };
        wire::write(&answer, output)
    }

    fn push(&mut self, file: FileNumber, blocks: Vec<Piece<'_>>) -> Result<(), String> {
        let Some(muxer) = self.files.get_mut(&file) else {
            let reason = self.unopened.get(&file).cloned();
            return Err(reason.unwrap_or_else(|| "the file is not open".to_owned()));
        };
        for piece in blocks {
            let block = Block::from(piece);
            muxer.push(block).map_err(|error| error.to_string())?;
        }
        muxer.take_into(&mut self.muxed);
        Ok(())
    }

    fn close(&mut self, file: FileNumber) -> Result<(), String> {
        self.unopened.remove(&file);
        if let Some(mut muxer) = self.files.remove(&file) {
            muxer.finish();
            muxer.take_into(&mut self.muxed);
        }
        Ok(())
    }
}
