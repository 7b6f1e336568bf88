//! One line of the checklist.

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Ok,
    /// It works, and somebody should know.
    Warn,
    /// It does not work, or must not stay so.
    Fail,
    /// Nobody was asked: what it rests on is missing, or it cannot be seen from here.
    NotAsked,
}

impl Verdict {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "OK",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
            Verdict::NotAsked => "not asked",
        }
    }

    /// As programs read it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
            Verdict::NotAsked => "not-asked",
        }
    }
}

/// What was looked at, what was measured, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    pub(crate) measured: String,
    /// Empty where nothing is to be done.
    pub(crate) remedy: String,
}

impl Check {
    pub(crate) fn ok(name: impl Into<String>, measured: impl Into<String>) -> Check {
        Check::new(name, Verdict::Ok, measured, "")
    }

    pub(crate) fn warn(
        name: impl Into<String>,
        measured: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        Check::new(name, Verdict::Warn, measured, remedy)
    }

    pub(crate) fn fail(
        name: impl Into<String>,
        measured: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        Check::new(name, Verdict::Fail, measured, remedy)
    }

    pub(crate) fn not_asked(
        name: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        Check::new(name, Verdict::NotAsked, why, remedy)
    }

    fn new(
        name: impl Into<String>,
        verdict: Verdict,
        measured: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        let (measured, remedy) = (measured.into(), remedy.into());
        Check { name: name.into(), verdict, measured, remedy }
    }
}

/// The checks of one matter, under its heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) name: &'static str,
    pub(crate) checks: Vec<Check>,
}

/// What was asked: the answer, or why there is none.
pub(crate) type Said<T> = Result<T, String>;
