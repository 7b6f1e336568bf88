use std::{fmt, ops::Range};

/// What is wrong in the file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem(Note);

/// What is allowed and yet looks like a mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning(Note);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Note {
    path: String,
    line: usize,
    text: String,
}

/// Collects what is to be said of one file.
#[derive(Debug)]
pub(super) struct Notes<'t> {
    path: &'t str,
    text: &'t str,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl<'t> Notes<'t> {
    pub(super) fn new(path: &'t str, text: &'t str) -> Self {
        Notes { path, text, problems: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn problem(&mut self, span: &Range<usize>, text: impl Into<String>) {
        let note = self.note(span, text.into());
        self.problems.push(Problem(note));
    }

    pub(super) fn warning(&mut self, span: &Range<usize>, text: impl Into<String>) {
        let note = self.note(span, text.into());
        self.warnings.push(Warning(note));
    }

    pub(super) fn any_problem(&self) -> bool {
        !self.problems.is_empty()
    }

    /// By line, so that they can be worked off from top to bottom.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort();
        self.problems.dedup();
        self.problems
    }

    pub(super) fn into_warnings(mut self) -> Vec<Warning> {
        self.warnings.sort();
        self.warnings.dedup();
        self.warnings
    }

    fn note(&self, span: &Range<usize>, text: String) -> Note {
        let before = self.text.as_bytes().iter().take(span.start);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Note { path: self.path.to_owned(), line, text }
    }
}

impl Problem {
    /// Counted from 1.
    pub const fn line(&self) -> usize {
        self.0.line
    }

    /// Without the place.
    pub fn text(&self) -> &str {
        &self.0.text
    }
}

impl Warning {
    /// Counted from 1.
    pub const fn line(&self) -> usize {
        self.0.line
    }

    /// Without the place.
    pub fn text(&self) -> &str {
        &self.0.text
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: warning: {}", self.0.path, self.0.line, self.0.text)
    }
}
