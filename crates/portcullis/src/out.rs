//! Where words go: stdout is data, stderr is talk.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write as _},
    process::{Command, Stdio},
};

use domain::GateState;
use serde_json::Value;

/// The two ways out of this program.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// stdout carries JSON and nothing else.
    pub json: bool,
    /// stdout is a terminal: data may be coloured, and must fit.
    terminal: bool,
    /// stderr is a terminal, so that a line may be drawn over.
    live: bool,
    /// Characters in a line of the terminal, as it was at the start.
    columns: usize,
}

/// Where a terminal does not say how wide it is.
const COLUMNS_USUAL: usize = 80;
/// Below this nothing is readable, and lines may as well wrap.
const COLUMNS_MIN: usize = 40;

impl Out {
    pub fn new(json: bool) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let columns = if out || err { columns() } else { None };
        let columns = columns.unwrap_or(COLUMNS_USUAL).max(COLUMNS_MIN);
        Out { json, terminal: out && !json, live: err, columns }
    }

    #[cfg(test)]
    pub(crate) const fn terminal() -> Self {
        Out { json: false, terminal: true, live: false, columns: 100 }
    }

    /// One line, or several, of data.
    ///
    /// # Errors
    ///
    /// When nobody reads stdout any more.
    pub fn data(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", text.trim_end_matches('\n'))?;
        out.flush()
    }

    /// One JSON object on one line.
    ///
    /// # Errors
    ///
    /// As [`Out::data`].
    pub fn object(&self, object: &Value) -> io::Result<()> {
        self.data(&object.to_string())
    }

    /// A line for the person in front of it.
    pub fn talk(&self, text: &str) {
        // Nobody is left to be told that stderr is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// A line that the next one replaces; only where that can be drawn.
    pub fn draw(&self, text: &str) -> bool {
        if self.live {
            let mut err = io::stderr().lock();
            // A line that wraps could not be drawn over.
            let text: String = text.chars().take(self.columns.saturating_sub(1)).collect();
            let _ = write!(err, "\r\x1b[2K{text}");
            let _ = err.flush();
        }
        self.live
    }

    /// Takes a drawn line away, for lines that stay.
    pub fn clear(&self) {
        self.draw("");
    }

    /// How long a line of a table may be; `None` where programs read it.
    pub(crate) fn width(&self) -> Option<usize> {
        self.terminal.then_some(self.columns)
    }

    /// `text` in the colour of a gate's state; padding belongs inside.
    pub fn state(&self, state: GateState, text: &str) -> String {
        let colour = match state {
            GateState::Open => 32,
            GateState::Closed => 31,
            GateState::Probing | GateState::Draining => 33,
        };
        self.paint(colour, text)
    }

    /// What must be seen first.
    pub fn loud(&self, text: &str) -> String {
        self.paint(31, text)
    }

    /// Less loud than the rest.
    pub fn faint(&self, text: &str) -> String {
        self.paint(2, text)
    }

    pub(crate) fn paint(&self, colour: u8, text: &str) -> String {
        if self.terminal { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// How wide the terminal is, which `stty` knows of whatever it is started on.
fn columns() -> Option<usize> {
    let terminal = File::open("/dev/tty").ok()?;
    let asked = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output();
    let size = String::from_utf8(asked.ok()?.stdout).ok()?;
    let columns = size.split_whitespace().nth(1)?.parse().ok()?;
    (0 < columns).then_some(columns)
}
