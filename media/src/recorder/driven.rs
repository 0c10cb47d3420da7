//! A GStreamer element that is driven by hand.
//!
//! Its pads are linked to pads of our own and pushed to directly: the element works inside the
//! call, on the caller's thread. There is no `appsrc`, whose task would cost one thread for each
//! element, and no bus: what fails, fails in the call.

use gstreamer as gst;
use gstreamer::prelude::*;
use std::io;
use std::path::PathBuf;

use super::RecorderError;

/// An element did not do what was asked; the text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ElementError(String);

#[derive(Debug)]
pub(super) struct Driven {
    element: gst::Element,
    input: gst::Pad,
    output: gst::Pad,
}

/// Starts GStreamer and looks whether an element is there.
///
/// # Errors
/// [`RecorderError::GStreamer`] or [`RecorderError::MissingElement`].
pub(crate) fn require_element(
    (element, package): (&'static str, &'static str),
) -> Result<(), RecorderError> {
    gst::init()?;
    match gst::ElementFactory::find(element) {
        Some(_) => Ok(()),
        None => Err(RecorderError::MissingElement { element, package }),
    }
}

/// The file from which an element comes, once GStreamer has been started.
///
/// # Errors
/// The element is not installed.
pub(crate) fn plugin_path((element, package): (&str, &str)) -> io::Result<PathBuf> {
    let factory = gst::ElementFactory::find(element);
    let path = factory.and_then(|factory| factory.plugin()?.filename());
    path.ok_or_else(|| io::Error::other(format!("the plugin of {element} ({package}) is gone")))
}

impl Driven {
    /// Sets an element to work on what has these `caps`. `pad_name` names its input; what comes
    /// out goes to `take`.
    pub(super) fn new(
        element: gst::Element,
        pad_name: &str,
        caps: &gst::Caps,
        take: impl Fn(&[u8]) + Send + Sync + 'static,
    ) -> Result<Self, ElementError> {
        let output = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_, _, buffer| {
                let bytes = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
                take(&bytes);
                Ok(gst::FlowSuccess::Ok)
            })
            .event_function(|_, _, _| true)
            .build();
        let input = gst::Pad::builder(gst::PadDirection::Src).build();
        let driven = Self {
            element,
            input,
            output,
        };
        driven.connect(pad_name, caps)?;
        Ok(driven)
    }

    fn connect(&self, pad_name: &str, caps: &gst::Caps) -> Result<(), ElementError> {
        let pad = self.element.static_pad(pad_name);
        let sink = pad
            .or_else(|| self.element.request_pad_simple(pad_name))
            .ok_or_else(|| ElementError("the element gives no input".to_owned()))?;
        let source = self
            .element
            .static_pad("src")
            .ok_or_else(|| ElementError("the element has no output".to_owned()))?;
        source
            .link(&self.output)
            .map_err(refused("output cannot be linked"))?;
        self.input
            .link(&sink)
            .map_err(refused("input cannot be linked"))?;
        self.output
            .set_active(true)
            .map_err(refused("output cannot be activated"))?;
        self.input
            .set_active(true)
            .map_err(refused("input cannot be activated"))?;
        self.element
            .set_state(gst::State::Playing)
            .map_err(refused("does not start"))?;
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let accepted = self.input.push_event(gst::event::StreamStart::new("track"))
            && self.input.push_event(gst::event::Caps::new(caps))
            && self.input.push_event(gst::event::Segment::new(&segment));
        if accepted {
            Ok(())
        } else {
            Err(ElementError(format!("the element does not accept {caps}")))
        }
    }

    /// Gives the element its next buffer.
    pub(super) fn push(&self, buffer: gst::Buffer) -> Result<(), ElementError> {
        self.input.push(buffer).map_err(refused("failed"))?;
        Ok(())
    }

    /// Lets the element give what it may still hold.
    pub(super) fn finish(&self) {
        // Whether the element liked the event is no matter: nothing follows.
        self.input.push_event(gst::event::Eos::new());
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        // The way back to Null cannot fail, and there is nobody left to tell.
        let _ = self.element.set_state(gst::State::Null);
        let _ = self.input.set_active(false);
        let _ = self.output.set_active(false);
    }
}

pub(super) fn refused<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> ElementError {
    move |error| ElementError(format!("the element {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_element_is_named_with_its_package() {
        let error = require_element(("nosuchmux", "gstreamer1.0-plugins-good")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "GStreamer element `nosuchmux` is missing: install the package \
             gstreamer1.0-plugins-good"
        );
    }
}
