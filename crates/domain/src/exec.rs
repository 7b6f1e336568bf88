/// A command that does the work of a kind, on the dispatcher's host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecConfig {
    /// The program and its arguments; nothing of it goes through a shell.
    pub command: Vec<String>,
    /// Where it runs; `None`: where the dispatcher runs.
    pub dir: Option<String>,
    /// The names of variables that are passed on from the dispatcher's environment.
    pub env: Vec<String>,
    pub output: ExecOutput,
    /// As much of what it prints is read, in bytes.
    pub output_max: u32,
}

/// How a command says what it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecOutput {
    /// By an outcome as JSON on stdout.
    Json,
    /// By its exit code alone; the last line that it prints is the effect.
    Text,
}

impl ExecConfig {
    /// A command of which nothing else is said.
    pub const fn of(command: Vec<String>) -> Self {
        ExecConfig {
            command,
            dir: None,
            env: Vec::new(),
            output: ExecOutput::Json,
            output_max: 64 * 1024,
        }
    }
}

impl ExecOutput {
    pub const fn word(self) -> &'static str {
        match self {
            ExecOutput::Json => "json",
            ExecOutput::Text => "text",
        }
    }

    /// The output of that [`ExecOutput::word`].
    pub fn of_word(word: &str) -> Option<Self> {
        [ExecOutput::Json, ExecOutput::Text].into_iter().find(|it| it.word() == word)
    }
}
