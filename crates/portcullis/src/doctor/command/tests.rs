use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use domain::KindConfig;

use super::*;
use crate::doctor::check::Verdict;

/// A folder of its own for each test, gone with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn judged(exec: ExecConfig, here: io::Result<&Path>) -> Check {
    let mut config = Config::default();
    let handler = Handler::Exec(exec);
    config.kinds.insert("tidy".parse().unwrap(), KindConfig::of(handler));
    let service = Handler::Service { name: "echo".parse().unwrap() };
    config.kinds.insert("other".parse().unwrap(), KindConfig::of(service));
    let mut checks = checks(&config, here);
    assert_eq!(checks.len(), 1, "{checks:?}");
    checks.remove(0)
}

fn exec(command: &str, dir: Option<&str>) -> ExecConfig {
    ExecConfig { dir: dir.map(str::to_owned), ..ExecConfig::of(vec![command.to_owned()]) }
}

/// A command that may be run here passes, by its path or by the PATH; one that is missing, or
/// may not be run, is worth a look, and never a failure: dispatchers may run elsewhere.
#[test]
fn what_may_be_run() {
    let name = format!("doctor-command-{}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    let at = |name: &str, mode: u32| {
        let path = folder.0.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir_all(folder.0.join("in/side")).unwrap();
    at("tidy.sh", 0o755);
    at("plain.sh", 0o644);
    at("in/deep.sh", 0o755);
    #[track_caller]
    fn ends(folder: &Folder, exec: ExecConfig, verdict: Verdict, part: &str) {
        let check = judged(exec, Ok(&folder.0));
        let all = format!("{} {}", check.measured, check.remedy);
        assert!(check.verdict == verdict && all.contains(part), "{part:?}: {check:?}");
        assert_eq!(
            (check.name.as_str(), check.remedy.is_empty()),
            ("command tidy", verdict == Verdict::Ok)
        );
    }
    ends(&folder, exec("./tidy.sh", None), Verdict::Ok, "tidy.sh may be run");
    ends(&folder, exec("./deep.sh", Some("in")), Verdict::Ok, "deep.sh may be run");
    ends(&folder, exec("sh", None), Verdict::Ok, "/sh may be run");
    ends(&folder, exec("./deep.sh", None), Verdict::Warn, "there is no such file");
    ends(&folder, exec("./plain.sh", None), Verdict::Warn, "chmod +x");
    ends(&folder, exec("./in", None), Verdict::Warn, "not a file");
    ends(&folder, exec("no-such-program-9", None), Verdict::Warn, "on the PATH");
    ends(&folder, exec("./tidy.sh", Some("gone")), Verdict::Warn, "no directory");
    ends(&folder, ExecConfig::of(Vec::new()), Verdict::Warn, "no command");
    ends(&folder, exec("./gone", None), Verdict::Warn, "closes the gate kind-tidy");
    let lost = judged(exec("sh", None), Err(io::ErrorKind::NotFound.into()));
    assert!(lost.verdict == Verdict::Warn && lost.measured.contains("this directory"), "{lost:?}");
}
