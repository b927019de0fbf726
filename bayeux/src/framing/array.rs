//! The body of a poll, and of a WebSocket message: a JSON array.

use serde_json::value::RawValue;

use crate::request::ParseError;

/// Takes a whole array apart. What its messages say is for [`parse_answers`](crate::parse_answers).
///
/// # Errors
/// [`ParseError::NotUtf8`] or [`ParseError::NotJson`], the latter also for JSON that is no array.
pub fn unframe(body: &[u8]) -> Result<Vec<&RawValue>, ParseError> {
    let body =
        str::from_utf8(body).map_err(|error| ParseError::NotUtf8 { valid_bytes: error.valid_up_to() })?;
    serde_json::from_str(body).map_err(|error| ParseError::not_json(&error))
}
