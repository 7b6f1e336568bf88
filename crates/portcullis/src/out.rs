//! Where words go: stdout is data, stderr is talk.

use std::io::{self, IsTerminal as _, Write as _};

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
}

impl Out {
    pub fn new(json: bool) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Out { json, terminal: out && !json, live: err }
    }

    #[cfg(test)]
    pub(crate) const fn terminal() -> Self {
        Out { json: false, terminal: true, live: false }
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
        const READABLE: usize = 100;
        self.terminal.then_some(READABLE)
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

    /// Less loud than the rest.
    pub fn faint(&self, text: &str) -> String {
        self.paint(2, text)
    }

    fn paint(&self, colour: u8, text: &str) -> String {
        if self.terminal { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
