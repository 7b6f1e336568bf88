use super::*;

/// A task is not begun before its time, and says so once; it waits out its own rest all the same.
#[test]
fn waits_for_its_time() {
    check("new early", "write returned, held");
    check("new early closed", "write returned, held");
    check("new early probing", "write returned, held");
    check("waiting untried early", "put back 3s: not due yet");
    check("held untried early", "write returned, held");
    check("theirs early", "watch them for 6s");
    check("completed early", "tell completed and ack");
}

/// What has expired is withdrawn before it begins, whatever the gates say, and is no canary; what
/// is under way or in doubt is not, nor is what has yet to expire (M2).
#[test]
fn withdraws_what_is_stale() {
    check("new expired", "write withdrawn, withdrawn");
    check("new expired closed", "write withdrawn, withdrawn");
    check("new expired probing", "write withdrawn, withdrawn");
    check("new expired unfenced", "write parked, parked");
    check("resting expired", "write withdrawn, failed withdrawn");
    check("revived expired", "write withdrawn, withdrawn");
    check("held untried expired", "write withdrawn, withdrawn");
    check("new expires", "claim 1");
    check("theirs expired", "watch them for 6s");
    check("mine running expired", "keep");
    check("doubtful expired", "claim 3");
    check("returned expired", "claim 3 failed");
    check("held expired", "claim 3");
    check("dead expired", "tell failed dead and ack");
}

/// Whoever puts a stale task back wants it done: its deadline is lifted. What is not due yet
/// stays out until it is.
#[test]
fn a_stale_task_comes_back_without_its_deadline() {
    let revived = |not_before, expires_at, now| {
        let task = Task { not_before, expires_at, ..task() };
        let state = TaskState { task: Some(Box::new(task)), ..state("withdrawn").unwrap() };
        let revived = revive(&state, "ann", "", Duration::ZERO, at(now))?;
        Ok(revived.task.map(|task| (task.not_before, task.expires_at)).unwrap())
    };
    assert_eq!(revived(None, Some(at(10)), 10), Ok((None, None)));
    assert_eq!(revived(None, Some(at(10)), 9), Ok((None, Some(at(10)))));
    assert_eq!(revived(Some(at(8)), None, 8), Ok((Some(at(8)), None)));
    assert_eq!(revived(Some(at(8)), None, 7), Err(NotAllowed::NotDue { at: at(8) }));
}
