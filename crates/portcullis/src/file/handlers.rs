//! `handler = { … }` of a kind: who does its work.

use domain::{ExecConfig, ExecOutput, Handler, ServiceName};

use super::{notes::Notes, prompts, section::Section};

/// More than that a bus message could not take anyway.
const OUTPUT_MAX: u32 = 1024 * 1024;

pub(super) fn handler(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Handler> {
    let kind = section.place.trim_start_matches("kinds.").to_owned();
    let Some(mut handler) = section.section("handler", notes) else {
        if !section.has("handler") {
            let text = format!(
                "kind `{kind}` has no handler; say who does the work: \
                 handler = {{ service = \"…\" }}, handler = {{ exec = {{ command = [\"…\"] }} }} \
                 or handler = {{ anthropic = {{ model = \"…\", … }} }}"
            );
            notes.problem(&section.span, text);
        }
        return None;
    };
    let found = if handler.has("exec") {
        exec(&mut handler, notes).map(Handler::Exec)
    } else if handler.has("anthropic") {
        prompts::handler(&mut handler, notes)
    } else {
        service(&mut handler, notes)
    };
    handler.finish(notes);
    found
}

fn service(handler: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Handler> {
    let word = handler.required("service", "\"welcome-payer\"", notes);
    let name = word.and_then(|word| handler.parse::<ServiceName>("service", &word, notes));
    let json = match handler.text("format", notes) {
        Some(word) if word.value == "json" => true,
        Some(word) if word.value != "protobuf" => {
            let text = format!(
                "`format = {:?}`{} is not known; write \"json\" or \"protobuf\"",
                word.value,
                handler.within()
            );
            notes.problem(&word.span, text);
            false
        }
        _ => false,
    };
    let name = name?.value;
    Some(if json { Handler::JsonService { name } } else { Handler::Service { name } })
}

fn exec(handler: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<ExecConfig> {
    let mut exec = handler.section("exec", notes)?;
    let command = exec.texts("command", notes);
    if command.first().is_none_or(|program| program.value.is_empty()) {
        let text = format!(
            "[{}] has no `command`; add command = [\"./report.py\"], the program and each of its \
             arguments in quotes of its own",
            exec.place
        );
        notes.problem(&exec.span, text);
    }
    for word in &command {
        if word.value.contains('\0') {
            let text = format!("`command`{} holds a NUL character", exec.within());
            notes.problem(&word.span, text);
        }
    }
    let command: Vec<String> = command.iter().map(|word| word.value.to_owned()).collect();
    let dir = exec.text("dir", notes).map(|word| word.value.to_owned());
    let env = env(&mut exec, notes);
    let output = output(&mut exec, notes);
    let mut config = ExecConfig::of(command);
    if let Some(most) = exec.number("output_max", 256, "no outcome fits", notes) {
        config.output_max = most;
    }
    if OUTPUT_MAX < config.output_max {
        let text = format!(
            "`output_max = {}`{} is out of range; at most {OUTPUT_MAX}",
            config.output_max,
            exec.within()
        );
        notes.problem(&exec.span, text);
    }
    exec.finish(notes);
    let dir = dir.filter(|dir| !dir.is_empty());
    (!config.command.is_empty()).then_some(ExecConfig { dir, env, output, ..config })
}

fn env(exec: &mut Section<'_>, notes: &mut Notes<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for word in exec.texts("env", notes) {
        if word.value.is_empty() || word.value.contains(['=', '\0']) {
            let text = format!(
                "`env`{} holds {:?}; it is a list of names of variables, whose values come from \
                 the dispatcher's environment",
                exec.within(),
                word.value.split('=').next().unwrap_or_default()
            );
            notes.problem(&word.span, text);
        }
        names.push(word.value.to_owned());
    }
    names
}

fn output(exec: &mut Section<'_>, notes: &mut Notes<'_>) -> ExecOutput {
    let Some(word) = exec.text("output", notes) else { return ExecOutput::Json };
    ExecOutput::of_word(word.value).unwrap_or_else(|| {
        let text = format!(
            "`output = {:?}`{} is not known; write \"json\" for an outcome on stdout, or \"text\" \
             if the exit code alone tells",
            word.value,
            exec.within()
        );
        notes.problem(&word.span, text);
        ExecOutput::Json
    })
}
