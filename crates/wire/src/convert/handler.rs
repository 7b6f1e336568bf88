use domain::{ExecConfig, ExecOutput, Handler};

use super::{DecodeError, anthropic, parse};
use crate::proto::{self, kind_config};

pub(super) fn handler_to(handler: &Handler) -> kind_config::Handler {
    let service = |name: &domain::ServiceName, json| {
        kind_config::Handler::Service(proto::ServiceHandler { name: name.to_string(), json })
    };
    match handler {
        Handler::Service { name } => service(name, false),
        Handler::JsonService { name } => service(name, true),
        Handler::Exec(exec) => kind_config::Handler::Exec(proto::ExecHandler {
            command: exec.command.clone(),
            dir: exec.dir.clone().unwrap_or_default(),
            env: exec.env.clone(),
            output: exec.output.word().to_owned(),
            output_max: exec.output_max,
        }),
        Handler::Anthropic(config) => {
            kind_config::Handler::Anthropic(anthropic::handler_to(config))
        }
    }
}

pub(super) fn handler_of(handler: kind_config::Handler) -> Result<Handler, DecodeError> {
    match handler {
        kind_config::Handler::Service(service) => {
            let name = parse("kinds.handler", &service.name)?;
            Ok(if service.json { Handler::JsonService { name } } else { Handler::Service { name } })
        }
        kind_config::Handler::Anthropic(config) => anthropic::handler_of(config),
        kind_config::Handler::Exec(exec) => {
            if exec.command.is_empty() {
                return Err(DecodeError::Missing { field: "kinds.handler.exec.command" });
            }
            let output = ExecOutput::of_word(&exec.output).unwrap_or(ExecOutput::Json);
            let dir = (!exec.dir.is_empty()).then_some(exec.dir);
            let (env, output_max) = (exec.env, exec.output_max);
            Ok(Handler::Exec(ExecConfig { command: exec.command, dir, env, output, output_max }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each handler comes back as it was; one without a command is none.
    #[test]
    fn handlers_come_back() {
        let full = ExecConfig {
            command: vec!["x".to_owned(), "--y".to_owned()],
            dir: Some("/srv".to_owned()),
            env: vec!["TOKEN".to_owned()],
            output: ExecOutput::Text,
            output_max: 300,
        };
        let name = || "x".parse().unwrap();
        for handler in [
            Handler::Service { name: name() },
            Handler::JsonService { name: name() },
            Handler::Exec(ExecConfig::of(vec!["x".to_owned()])),
            Handler::Exec(full),
        ] {
            assert_eq!(handler_of(handler_to(&handler)).unwrap(), handler);
        }
        assert!(handler_of(handler_to(&Handler::Exec(ExecConfig::of(Vec::new())))).is_err());
    }
}
