//! What both encoders share: a GStreamer pipeline that ends in RTP packets.

use super::RehearseError;
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use tokio::sync::mpsc;

/// Packets that wait for the network task; half a second of sound. What does not fit is dropped,
/// as a network would: the encoder must never wait.
pub(super) const PACKET_QUEUE: usize = 32;
/// Largest RTP packet, octets: fits a 1,280-octet IPv6 path with SRTP, UDP and IP around it.
pub(super) const MTU: u32 = 1200;

/// A running pipeline; stopped when dropped.
pub(super) struct Encoder {
    pipeline: gst::Pipeline,
}

impl Encoder {
    /// Builds the pipeline `description`, whose last element is `appsink name=packets`.
    pub(super) fn build(
        description: &str,
        packets: mpsc::Sender<Bytes>,
    ) -> Result<Self, RehearseError> {
        gst::init().map_err(RehearseError::encoder)?;
        let pipeline = gst::parse::launch(description)
            .map_err(RehearseError::encoder)?
            .downcast::<gst::Pipeline>()
            .map_err(|_| RehearseError::encoder("GStreamer made no pipeline"))?;
        let encoder = Self { pipeline };
        let sink = encoder
            .element("packets")?
            .downcast::<gst_app::AppSink>()
            .map_err(|_| RehearseError::encoder("the last element is no appsink"))?;
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    if let Some(packet) = sample.buffer().and_then(|b| b.map_readable().ok()) {
                        // Full: dropped, see `PACKET_QUEUE`. Closed: nobody listens any more.
                        let _ = packets.try_send(Bytes::copy_from_slice(&packet));
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        Ok(encoder)
    }

    /// An element of the pipeline by its name.
    pub(super) fn element(&self, name: &str) -> Result<gst::Element, RehearseError> {
        self.pipeline
            .by_name(name)
            .ok_or_else(|| RehearseError::encoder(format!("the pipeline has no `{name}`")))
    }

    /// Lets it run.
    pub(super) fn play(&self) -> Result<(), RehearseError> {
        self.pipeline
            .set_state(gst::State::Playing)
            .map_err(RehearseError::encoder)?;
        Ok(())
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // A pipeline that does not stop has nothing that a caller could still do about it.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
