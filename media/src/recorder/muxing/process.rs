//! The muxing process: nothing but GStreamer's muxers between a socket's two directions.

use super::link::PLUGIN;
use super::sandbox;
use super::wire::{self, Answer, FileNumber, Order, Piece};
use crate::recorder::RecorderError;
use crate::recorder::muxer::{Block, Muxer};
use bytes::BytesMut;
use gstreamer as gst;
use gstreamer::glib;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Read at once: some dozens of pictures.
const READ: usize = 256 << 10;

/// Muxes what the server sends over standard input, a Unix socket, until the server closes it.
/// Gives up every right that it does not need for that.
///
/// # Errors
/// [`RecorderError::GStreamer`] or [`RecorderError::MissingElement`] if this machine cannot mux;
/// [`RecorderError::Io`] when standard input is no socket, when the server is gone, and for what
/// no server says.
pub fn run_muxing() -> Result<(), RecorderError> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.peer_addr()?;
    gst::init()?;
    load_plugin()?;
    sandbox::enter()?;
    let mut muxing = Muxing::default();
    let mut output = BytesMut::new();
    let mut input = vec![0; READ];
    // So much of it is filled.
    let mut held = 0;
    loop {
        let mut done = 0;
        while let Some((order, length)) = wire::read::<Order<'_>>(&input[done..held])? {
            muxing.carry_out(order, &mut output)?;
            done += length;
        }
        input.copy_within(done..held, 0);
        held -= done;
        socket.write_all(&output)?;
        output.clear();
        if held == input.len() {
            // A message that is longer than all before it.
            input.resize(2 * held, 0);
        }
        let more = loop {
            match socket.read(&mut input[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        held += more;
        if more == 0 {
            return Ok(());
        }
    }
}

/// Loads the muxers' plugin, and with it nothing else: looking through all plugins of the machine
/// takes a second where nobody may keep what was found.
fn load_plugin() -> Result<(), RecorderError> {
    let Some(path) = std::env::var_os(PLUGIN) else {
        return Err(io::Error::other("otyrys recorder is started by otyrys serve").into());
    };
    gst::Plugin::load_file(path)
        .map(|_| ())
        .map_err(|error: glib::Error| error.into())
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
