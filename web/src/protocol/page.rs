//! The protocol as a page.

use super::{
    ProtocolError,
    sheet::{Block, Sheet},
};
use askama::Template;

#[derive(Template)]
#[template(path = "protocol.html")]
struct Page<'a> {
    sheet: &'a Sheet,
}

/// The sheet as one self-contained HTML page. Everything in it is escaped by the template.
pub(super) fn render(sheet: &Sheet) -> Result<String, ProtocolError> {
    Ok(Page { sheet }.render()?)
}
