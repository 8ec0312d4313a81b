//! What came back.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::Refusal;
use super::{Call, CallError, Client, classify};
use crate::https::Answer;

/// What stands around every answer.
#[derive(Deserialize)]
pub(super) struct Envelope<T> {
    /// What was asked for.
    pub(super) data: T,
}

/// What stands around a refusal. Before 2025 it held nothing, and the reason phrase was all.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    message: Option<String>,
    errors: Option<BTreeMap<String, Value>>,
}

/// What a success brought.
pub(super) fn data<T: DeserializeOwned>(
    call: &Call<'_>,
    place: &str,
    answer: &Answer,
) -> Result<T, CallError> {
    let read = serde_json::from_slice::<Envelope<T>>(&answer.body);
    let garbled = |error: serde_json::Error| {
        let why = call.form.scrubbed(&error.to_string());
        CallError::garbled(call.to_string(), format!("`{place}` said {why}"))
    };
    read.map(|envelope| envelope.data).map_err(garbled)
}

/// What an answer other than 200 says.
pub(super) fn refused(call: &Call<'_>, client: &Client, answer: &Answer) -> CallError {
    let read: Refused = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = read.message.filter(|message| !message.trim().is_empty());
    let text = call.form.scrubbed(message.as_deref().unwrap_or(&answer.reason).trim_end());
    let errors: BTreeMap<_, _> = read
        .errors
        .into_iter()
        .flatten()
        .map(|(name, why)| {
            let why = why.as_str().map_or_else(|| why.to_string(), str::to_owned);
            (name, call.form.scrubbed(&why))
        })
        .collect();
    let kind = classify::of_answer(answer.status, &text, &errors);
    let denial = classify::denial(&text);
    let refusal = Refusal { place: client.place(), status: answer.status, text, errors, denial };
    CallError::answered(kind, call.to_string(), refusal)
}
