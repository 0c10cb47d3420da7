//! One file to listen to, of many that were recorded at the same time.

use super::RecorderError;
use super::driven::require_element;
use gstreamer as gst;
use gstreamer::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is needed, and the Debian packages that bring it.
const ELEMENTS: [(&str, &str); 6] = [
    ("matroskademux", "gstreamer1.0-plugins-good"),
    ("opusdec", "gstreamer1.0-plugins-base"),
    ("audioresample", "gstreamer1.0-plugins-base"),
    ("audiomixer", "gstreamer1.0-plugins-base"),
    ("opusenc", "gstreamer1.0-plugins-base"),
    ("oggmux", "gstreamer1.0-plugins-base"),
];

/// Mixes recorded sound (WebM with Opus) into one Ogg file with Opus, in which each file begins so
/// long after the file's own beginning. Blocks, some seconds for an hour of one voice. It is for
/// files that their owner hands out, not for a server: GStreamer works in this process.
///
/// # Errors
/// [`RecorderError::MissingElement`] if this machine cannot mix, [`RecorderError::Remux`] if a file
/// cannot be read or `to` cannot be written.
pub fn mix_sound(files: &[(PathBuf, Duration)], to: &Path) -> Result<(), RecorderError> {
    ELEMENTS.into_iter().try_for_each(require_element)?;
    let failed = |error: &dyn std::fmt::Display| RecorderError::Remux(error.to_string());
    let pipeline = gst::Pipeline::new();
    let sink = make("filesink", &pipeline)?;
    sink.set_property("location", to);
    let mixer = make("audiomixer", &pipeline)?;
    let mut chain = vec![mixer.clone()];
    for element in ["audioconvert", "opusenc", "oggmux"] {
        chain.push(make(element, &pipeline)?);
    }
    chain.push(sink);
    gst::Element::link_many(&chain).map_err(|error| failed(&error))?;
    for (file, begins) in files {
        let source = make("filesrc", &pipeline)?;
        source.set_property("location", file);
        let demuxer = make("matroskademux", &pipeline)?;
        source.link(&demuxer).map_err(|error| failed(&error))?;
        let mut chain = Vec::new();
        for element in ["opusdec", "audioconvert", "audioresample"] {
            chain.push(make(element, &pipeline)?);
        }
        gst::Element::link_many(&chain).map_err(|error| failed(&error))?;
        let (Some(entry), Some(exit), Some(place)) = (
            chain.first().and_then(|first| first.static_pad("sink")),
            chain.last().and_then(|last| last.static_pad("src")),
            mixer.request_pad_simple("sink_%u"),
        ) else {
            return Err(failed(&"the mixer has no room"));
        };
        place.set_offset(i64::try_from(begins.as_nanos()).unwrap_or(i64::MAX));
        exit.link(&place).map_err(|error| failed(&error))?;
        demuxer.connect_pad_added(move |_, pad| {
            // What does not link is told by the pipeline.
            let _ = pad.link(&entry);
        });
    }
    let outcome = run(&pipeline);
    // The way back to Null cannot fail.
    let _ = pipeline.set_state(gst::State::Null);
    outcome
}

fn make(element: &str, pipeline: &gst::Pipeline) -> Result<gst::Element, RecorderError> {
    let made = gst::ElementFactory::make(element).build();
    let made = made.map_err(|error| RecorderError::Remux(error.to_string()))?;
    pipeline
        .add(&made)
        .map_err(|error| RecorderError::Remux(error.to_string()))?;
    Ok(made)
}

fn run(pipeline: &gst::Pipeline) -> Result<(), RecorderError> {
    let failed = |reason: String| RecorderError::Remux(reason);
    let bus = pipeline
        .bus()
        .ok_or_else(|| failed("a pipeline without a bus".to_owned()))?;
    pipeline
        .set_state(gst::State::Playing)
        .map_err(|error| failed(error.to_string()))?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => return Ok(()),
            gst::MessageView::Error(error) => return Err(failed(error.error().to_string())),
            _ => {}
        }
    }
    Err(failed("the pipeline ended without a word".to_owned()))
}
