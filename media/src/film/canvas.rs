//! The picture of the film: what is drawn on it stays until something else is drawn there.

use super::layout::{Area, WHOLE};
use super::{FilmError, HEIGHT, WIDTH, refused};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use std::collections::hash_map::{Entry, HashMap};

/// What must be there to write names.
pub(super) const WRITING: &[(&str, &str)] = &[
    ("videotestsrc", "gstreamer1.0-plugins-base"),
    ("textoverlay", "gstreamer1.0-x"),
];

/// Behind everything.
const DARK: u32 = 0xff18_1c22;
/// Where there is no picture.
const CARD: u32 = 0xff2a_323d;

/// A picture that can be drawn.
pub(super) type Picture = gst_video::VideoFrame<gst_video::video_frame::Readable>;

pub(super) struct Canvas {
    buffer: gst::Buffer,
    info: gst_video::VideoInfo,
    /// From pictures of this size and kind into that area.
    converters: HashMap<(u32, u32, Area), gst_video::VideoConverter>,
}

impl Canvas {
    pub(super) fn new() -> Result<Self, FilmError> {
        let info = info(WIDTH, HEIGHT).map_err(refused)?;
        let buffer = gst::Buffer::with_size(info.size()).map_err(refused)?;
        let mut canvas = Self {
            buffer,
            info,
            converters: HashMap::new(),
        };
        canvas.clear_all()?;
        Ok(canvas)
    }

    /// The picture as it is now.
    pub(super) fn picture(&self) -> gst::Buffer {
        self.buffer.clone()
    }

    pub(super) fn clear_all(&mut self) -> Result<(), FilmError> {
        self.clear(WHOLE)
    }

    /// Makes an area dark.
    pub(super) fn clear(&mut self, area: Area) -> Result<(), FilmError> {
        /// Of `DARK` (ITU-R BT.601).
        const YUV: [u8; 3] = [40, 130, 126];
        let mut frame = self.frame()?;
        for (plane, value) in (0..).zip(YUV) {
            let shift = u32::from(plane > 0);
            let stride = frame
                .plane_stride()
                .get(plane as usize)
                .copied()
                .unwrap_or(0) as usize;
            let bytes = frame.plane_data_mut(plane).map_err(refused)?;
            let (x, width) = ((area.x >> shift) as usize, (area.width >> shift) as usize);
            let rows = bytes
                .chunks_mut(stride.max(1))
                .skip((area.y >> shift) as usize);
            for row in rows.take((area.height >> shift) as usize) {
                if let Some(part) = row.get_mut(x..x + width) {
                    part.fill(value);
                }
            }
        }
        Ok(())
    }

    /// Draws a picture, in its shape, in the middle of an area.
    pub(super) fn draw(&mut self, picture: &Picture, area: Area) -> Result<(), FilmError> {
        let (width, height) = (picture.width(), picture.height());
        let converter = match self.converters.entry((width, height, area)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let fitted = area.fit(width, height);
                place.insert(converter(picture.info(), &self.info, fitted).map_err(refused)?)
            }
        };
        let buffer = self.buffer.make_mut();
        let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &self.info)
            .map_err(refused)?;
        converter.frame_ref(&picture.as_video_frame_ref(), &mut frame);
        Ok(())
    }

    fn frame(&mut self) -> Result<gst_video::VideoFrameRef<&mut gst::BufferRef>, FilmError> {
        let buffer = self.buffer.make_mut();
        gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &self.info).map_err(refused)
    }
}

/// Draws pictures of one size into one area of the canvas.
fn converter(
    from: &gst_video::VideoInfo,
    canvas: &gst_video::VideoInfo,
    area: Area,
) -> Result<gst_video::VideoConverter, gst::glib::BoolError> {
    let mut config = gst_video::VideoConverterConfig::new();
    config.set_dest_x(area.x as i32);
    config.set_dest_y(area.y as i32);
    config.set_dest_width(Some(area.width as i32));
    config.set_dest_height(Some(area.height as i32));
    config.set_fill_border(false);
    config.set_threads(1);
    gst_video::VideoConverter::new(from, canvas, Some(config))
}

/// A picture of words, in the size of an area.
pub(super) fn words(text: &str, area: Area, card: bool) -> Result<Picture, FilmError> {
    let text: String = text.chars().take(MOST_LETTERS).collect();
    let make = |element, name: &str| {
        gst::ElementFactory::make(element)
            .name(name)
            .build()
            .map_err(refused)
    };
    let ground = make("videotestsrc", "ground")?;
    ground.set_property_from_str("pattern", "solid-color");
    ground.set_property("foreground-color", if card { CARD } else { DARK });
    ground.set_property("num-buffers", 1);
    let overlay = make("textoverlay", "words")?;
    overlay.set_property("text", gst::glib::markup_escape_text(&text).as_str());
    overlay.set_property("font-desc", font(&text, area));
    overlay.set_property("auto-resize", false);
    overlay.set_property("shaded-background", false);
    overlay.set_property_from_str("wrap-mode", "word");
    for way in ["halignment", "valignment", "line-alignment"] {
        overlay.set_property_from_str(way, "center");
    }
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", area.width as i32)
        .field("height", area.height as i32)
        .field("framerate", gst::Fraction::new(1, 1))
        .build();
    let sink = AppSink::builder().caps(&caps).sync(false).build();
    let pipeline = gst::Pipeline::new();
    pipeline
        .add_many([&ground, &overlay, sink.upcast_ref()])
        .map_err(refused)?;
    gst::Element::link_many([&ground, &overlay, sink.upcast_ref()]).map_err(refused)?;
    pipeline.set_state(gst::State::Playing).map_err(refused)?;
    let written = sink.try_pull_sample(gst::ClockTime::from_seconds(10));
    // The way back to Null cannot fail.
    let _ = pipeline.set_state(gst::State::Null);
    picture(&written.ok_or_else(|| refused("no words can be written"))?).map_err(refused)
}

/// Letters of a name; more do not fit.
const MOST_LETTERS: usize = 80;

/// As large as goes on one line.
fn font(text: &str, area: Area) -> String {
    let longest = text
        .lines()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(1);
    // A letter is about 0.62 of its height wide.
    let pixels = (f64::from(area.width) / (longest.max(1) as f64 * 0.62)).clamp(10.0, 22.0);
    format!("DejaVu Sans {pixels:.0}px")
}

/// What was decoded, as a picture.
///
/// # Errors
/// In words.
pub(super) fn picture(sample: &gst::Sample) -> Result<Picture, String> {
    let caps = sample.caps().ok_or("a picture without a size")?;
    let told = gst_video::VideoInfo::from_caps(caps).map_err(|error| error.to_string())?;
    let info = info(told.width(), told.height()).map_err(|error| error.to_string())?;
    let buffer = sample.buffer_owned().ok_or("a picture without content")?;
    Picture::from_buffer_readable(buffer, &info)
        .map_err(|_| "a picture that is cut short".to_owned())
}

/// Everything is drawn in the colours of VP8 (ITU-R BT.601), which cost no conversion.
fn info(width: u32, height: u32) -> Result<gst_video::VideoInfo, gst::glib::BoolError> {
    let colours = "bt601".parse::<gst_video::VideoColorimetry>()?;
    gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, width, height)
        .colorimetry(&colours)
        .build()
}
