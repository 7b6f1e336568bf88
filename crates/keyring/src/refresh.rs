//! RFC 6749 section 6: a refresh token buys a new access token.
//!
//! | the token endpoint                     | then                                             |
//! | -------------------------------------- | ------------------------------------------------ |
//! | 200 with an access token               | into the file, and from there into use           |
//! | 4xx with an `error`                    | refused: never asked again with this token       |
//! | cannot be reached, 429, 503            | nothing was exchanged: again after a minute      |
//! | anything else, or nothing in time      | unknown: never asked again with this token       |
//!
//! The order: a file beside the old one is made (a read-only folder is found out before any
//! token is spent), the exchange is claimed in RECORD by compare-and-set, the endpoint is
//! asked, the file is replaced, and only then does anybody read the new secret.

mod ask;
mod write;

use domain::{
    CredentialConfig, CredentialSource, Fingerprint, ProviderName, RefreshConfig, RefreshRecord,
    RefreshStage, Timestamp,
};
use fleet::{
    Fleet,
    store::{self, Cas, StoreError},
};
use logic::credential::{Exchange, on_exchange_record};
use wire::subject;

use crate::source::Reading;
use write::Replacement;

/// How an exchange ended for this process.
#[derive(Debug)]
pub(crate) enum Exchanged {
    /// The file holds a new secret, bought here.
    Done { fingerprint: Fingerprint, expires: Option<Timestamp> },
    /// Another makes it just now; what it buys comes into this file.
    Busy { until: Timestamp },
    /// Not now: from when on it may be tried again, and why, if that is worth telling.
    Later { from: Timestamp, why: Option<String> },
    /// Never again with this token.
    Never { why: String },
}

/// What lies in a place, and who exchanges it.
pub(crate) struct Exchanger<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) provider: &'a ProviderName,
    pub(crate) credential: &'a CredentialConfig,
    pub(crate) reading: &'a Reading,
}

/// A file that cannot be written now is tried again so much later.
const AFTER_READ_ONLY: std::time::Duration = std::time::Duration::from_secs(600);

impl Exchanger<'_> {
    /// Exchanges the refresh token, unless somebody else does or did.
    pub(crate) async fn exchange(&self) -> Exchanged {
        let never = |why: &str| Exchanged::Never { why: why.to_owned() };
        let (Some(token), Some(config)) = (&self.reading.refresh, &self.credential.refresh) else {
            return never("there is no refresh token");
        };
        let CredentialSource::File { path, .. } = &self.credential.source else {
            return never("only a file is refreshed");
        };
        let fingerprint = token.fingerprint(self.provider);
        let replacement = match Replacement::prepare(path) {
            Ok(replacement) => replacement,
            Err(why) => return self.later(AFTER_READ_ONLY, format!("it cannot be written: {why}")),
        };
        match self.claim(fingerprint).await {
            Ok(Ok(seq)) => self.ask(config, fingerprint, seq, replacement).await,
            Ok(Err(ended)) => ended,
            Err(error) => {
                self.later(logic::credential::AGAIN_AFTER, format!("not recorded: {error}"))
            }
        }
    }

    fn later(&self, after: std::time::Duration, why: String) -> Exchanged {
        Exchanged::Later { from: self.fleet.clock.now().after(after), why: Some(why) }
    }

    /// Writes that this process asks; the sequence of that, or what is to be done instead.
    async fn claim(&self, token: Fingerprint) -> Result<Result<u64, Exchanged>, StoreError> {
        let bus = &self.fleet.bus;
        let subject = subject::refresh(self.provider, token);
        loop {
            let found = store::read::<RefreshRecord>(bus, subject::RECORD, &subject).await?;
            let secret = self.reading.secret.fingerprint(self.provider);
            let record = found.as_ref().map(|found| &found.value);
            let seq = found.as_ref().map_or(0, |found| found.seq);
            let (stage, then) = match on_exchange_record(record, secret, self.fleet.clock.now()) {
                Exchange::Claim => (RefreshStage::Asked, None),
                Exchange::GiveUp => {
                    let evidence = "whoever asked for it vanished".to_owned();
                    let why = format!("it may have been exchanged already: {evidence}");
                    (RefreshStage::Unknown { evidence }, Some(Exchanged::Never { why }))
                }
                Exchange::Busy { until } => return Ok(Err(Exchanged::Busy { until })),
                Exchange::Later { from } => return Ok(Err(Exchanged::Later { from, why: None })),
                Exchange::Never { why } => return Ok(Err(Exchanged::Never { why })),
            };
            let record = self.record(token, stage);
            match store::compare_and_set(bus, subject::RECORD, &subject, &record, seq).await? {
                Cas::Stored(seq) => return Ok(then.map_or(Ok(seq), Err)),
                Cas::Lost => (),
            }
        }
    }

    async fn ask(
        &self,
        config: &RefreshConfig,
        token: Fingerprint,
        seq: u64,
        replacement: Replacement,
    ) -> Exchanged {
        let Some(refresh) = &self.reading.refresh else {
            return Exchanged::Never { why: "there is no refresh token".to_owned() };
        };
        let bought = match ask::ask(config, refresh).await {
            Ok(bought) => bought,
            Err(stage) => return self.failed(token, seq, stage).await,
        };
        let now = self.fleet.clock.now();
        let fingerprint = bought.secret.fingerprint(self.provider);
        let expires = bought.lives_for.map(|time| now.after(time));
        let stage = match replacement.write(self.credential, refresh, &bought, expires).await {
            Ok(()) => RefreshStage::Done { fingerprint },
            Err(why) => {
                RefreshStage::Unknown { evidence: format!("what it bought is lost: {why}") }
            }
        };
        if !matches!(stage, RefreshStage::Done { .. }) {
            return self.failed(token, seq, stage).await;
        }
        self.end(token, seq, stage).await;
        Exchanged::Done { fingerprint, expires }
    }

    async fn failed(&self, token: Fingerprint, seq: u64, stage: RefreshStage) -> Exchanged {
        self.end(token, seq, stage.clone()).await;
        match stage {
            RefreshStage::Put { evidence } => self.later(logic::credential::AGAIN_AFTER, evidence),
            RefreshStage::Refused { evidence } => {
                Exchanged::Never { why: format!("the provider does not take it: {evidence}") }
            }
            RefreshStage::Unknown { evidence } => {
                Exchanged::Never { why: format!("it may have been exchanged already: {evidence}") }
            }
            RefreshStage::Asked | RefreshStage::Done { .. } => {
                Exchanged::Never { why: "nobody knows how it ended".to_owned() }
            }
        }
    }

    /// Without this word the claim runs out, and the exchange counts as unknown.
    async fn end(&self, token: Fingerprint, seq: u64, stage: RefreshStage) {
        let (subject, record) = (subject::refresh(self.provider, token), self.record(token, stage));
        let bus = &self.fleet.bus;
        match store::compare_and_set(bus, subject::RECORD, &subject, &record, seq).await {
            Ok(Cas::Stored(_)) => (),
            Ok(Cas::Lost) => tracing::warn!(subject, "somebody else ended the exchange"),
            Err(error) => tracing::warn!(subject, %error, "the end of an exchange is not stored"),
        }
    }

    fn record(&self, fingerprint: Fingerprint, stage: RefreshStage) -> RefreshRecord {
        RefreshRecord {
            provider: self.provider.clone(),
            credential: self.credential.name.clone(),
            fingerprint,
            stage,
            by: self.fleet.source(),
            at: self.fleet.clock.now(),
        }
    }
}
