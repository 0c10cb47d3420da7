//! The protocol as a Word file.

use super::{
    ProtocolError,
    sheet::{Block, Section, Sheet, SpokenLine},
};
use docx_rs::{
    AlignmentType, Docx, Footer, LineSpacing, PageMargin, PageNum, Paragraph, Run, RunFonts, Style,
    StyleType, Table, TableCell, TableRow, WidthType,
};
use std::io::Cursor;

/// A4 in twentieths of a point.
const PAGE: (u32, u32) = (11_906, 16_838);
/// Width between the margins (30 mm and 15 mm, as court papers have them), the same unit.
const TEXT_WIDTH: usize = 9_356;
/// Characters in half-points.
const TEXT_SIZE: usize = 24;
const TABLE_SIZE: usize = 18;
/// Dark red, readable on white in print.
const MARK: &str = "8A1C1C";

/// The sheet as Office Open XML.
pub(super) fn render(sheet: &Sheet) -> Result<Vec<u8>, ProtocolError> {
    let fonts = RunFonts::new()
        .ascii("Times New Roman")
        .hi_ansi("Times New Roman")
        .cs("Times New Roman");
    let title = Run::new().add_text(sheet.title).bold().size(32);
    let notice = Run::new().add_text(sheet.notice).color(MARK);
    let mut docx = Docx::new()
        .page_size(PAGE.0, PAGE.1)
        .page_margin(
            PageMargin::new()
                .top(1134)
                .bottom(1134)
                .left(1701)
                .right(849),
        )
        .default_fonts(fonts)
        .default_size(TEXT_SIZE)
        .add_style(heading("Heading1", "heading 1", 32, 0))
        .add_style(heading("Heading2", "heading 2", 28, 1))
        .add_style(heading("Heading3", "heading 3", 24, 2))
        .footer(
            Footer::new().add_paragraph(
                Paragraph::new()
                    .align(AlignmentType::Center)
                    .add_page_num(PageNum::new()),
            ),
        )
        .add_paragraph(
            Paragraph::new()
                .style("Heading1")
                .align(AlignmentType::Center)
                .add_run(title),
        )
        .add_paragraph(
            Paragraph::new()
                .align(AlignmentType::Center)
                .add_run(Run::new().add_text(&sheet.subtitle)),
        )
        .add_paragraph(spaced().add_run(notice));
    for section in &sheet.sections {
        docx = add_section(docx, section);
    }
    let mut file = Cursor::new(Vec::new());
    docx.build()
        .pack(&mut file)
        .map_err(|error| ProtocolError::Docx(error.to_string()))?;
    Ok(file.into_inner())
}

fn heading(id: &str, name: &str, size: usize, level: usize) -> Style {
    // "heading N" is Word's built-in name: only with it does the outline show.
    Style::new(id, StyleType::Paragraph)
        .name(name)
        .bold()
        .size(size)
        .outline_lvl(level)
}

fn add_section(docx: Docx, section: &Section) -> Docx {
    let style = if section.level == 2 {
        "Heading2"
    } else {
        "Heading3"
    };
    let heading = Paragraph::new()
        .style(style)
        .keep_next(true)
        .line_spacing(LineSpacing::new().before(240).after(80))
        .add_run(Run::new().add_text(section.heading));
    section
        .blocks
        .iter()
        .fold(docx.add_paragraph(heading), add_block)
}

fn add_block(docx: Docx, block: &Block) -> Docx {
    match block {
        Block::Text(text) => docx.add_paragraph(spaced().add_run(Run::new().add_text(text))),
        Block::Facts(facts) => facts.iter().fold(docx, |docx, (label, value)| {
            docx.add_paragraph(
                Paragraph::new()
                    .add_run(Run::new().add_text(format!("{label}: ")).bold())
                    .add_run(Run::new().add_text(value)),
            )
        }),
        Block::Table { head, rows } => docx.add_table(table(head, rows)),
        Block::Lines(lines) => lines.iter().enumerate().fold(docx, |docx, (index, line)| {
            docx.add_paragraph(spoken(index, line))
        }),
    }
}

fn table(head: &[&'static str], rows: &[Vec<String>]) -> Table {
    let width = TEXT_WIDTH / head.len().max(1);
    let cell = |text: &str, bold: bool| {
        let run = Run::new().add_text(text).size(TABLE_SIZE);
        let run = if bold { run.bold() } else { run };
        TableCell::new()
            .width(width, WidthType::Dxa)
            .add_paragraph(Paragraph::new().add_run(run))
    };
    let head_row = TableRow::new(head.iter().map(|text| cell(text, true)).collect()).cant_split();
    let body = rows
        .iter()
        .map(|row| TableRow::new(row.iter().map(|text| cell(text, false)).collect()).cant_split());
    Table::new(std::iter::once(head_row).chain(body).collect())
        .set_grid(vec![width; head.len()])
        .width(TEXT_WIDTH, WidthType::Dxa)
}

fn spoken(index: usize, line: &SpokenLine) -> Paragraph {
    // Word's bookmark names end at 40 characters and take no hyphen: the UUID without them fits.
    let bookmark = line.anchor.replace('-', "");
    let paragraph = spaced()
        .add_bookmark_start(index + 1, bookmark)
        .add_run(Run::new().add_text(format!("{} ", line.time)))
        .add_run(Run::new().add_text(format!("{}: ", line.speaker)).bold())
        .add_run(Run::new().add_text(&line.text))
        .add_bookmark_end(index + 1);
    match &line.mark {
        Some(mark) => paragraph.add_run(
            Run::new()
                .add_text(format!(" [{mark}]"))
                .italic()
                .color(MARK),
        ),
        None => paragraph,
    }
}

fn spaced() -> Paragraph {
    Paragraph::new().line_spacing(LineSpacing::new().after(120))
}
