//! A language model as a handler: credentials that die in mid-run, with another beside them and
//! without, limits, load and cuts. Judged by the record, the events, and by what the stand-in
//! API counted, credential by credential.

pub(crate) mod bench;
mod deaths;
mod load;
mod words;
