//! Why somebody is not let in, in a word and in a sentence.

/// Why a token is refused. The names are those in error strings, logs and `encke token check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is longer than any token has to be.
    TooLong,
    /// It is no JSON Web Token.
    Malformed,
    /// No key is for its algorithm; `none` is no algorithm.
    Algorithm,
    /// No key has its `kid`.
    UnknownKey,
    /// It was not made with the key, or was changed since.
    Signature,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It has no `exp`.
    Endless,
    /// It is for somebody else.
    Audience,
    /// Somebody else has made it.
    Issuer,
    /// A claim has a wrong type.
    Claims,
    /// It has been revoked.
    Revoked,
}

impl Refused {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Refused::TooLong => "token_too_long",
            Refused::Malformed => "token_malformed",
            Refused::Algorithm => "token_algorithm",
            Refused::UnknownKey => "token_unknown_key",
            Refused::Signature => "token_signature",
            Refused::Expired => "token_expired",
            Refused::NotYet => "token_not_yet_valid",
            Refused::Endless => "token_without_expiry",
            Refused::Audience => "token_audience",
            Refused::Issuer => "token_issuer",
            Refused::Claims => "token_claims",
            Refused::Revoked => "token_revoked",
        }
    }

    /// What it means, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Refused::TooLong => "the token has more than 8 KiB",
            Refused::Malformed => "this is not a JSON Web Token",
            Refused::Algorithm => "no key of the configuration is for the token's algorithm",
            Refused::UnknownKey => "no key of the configuration has the token's kid",
            Refused::Signature => "the token was not made with the key, or was changed since",
            Refused::Expired => "the token has expired",
            Refused::NotYet => "the token is not valid yet",
            Refused::Endless => "the token has no exp; set endless = true under [tokens] if that is meant",
            Refused::Audience => "the token is for another audience",
            Refused::Issuer => "the token has another issuer",
            Refused::Claims => "a claim of the token has a wrong type",
            Refused::Revoked => "the token has been revoked",
        }
    }
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The token is not good.
    Token(Refused),
    /// There is no such API key, or no longer.
    Key,
    /// The ticket has been used, or is too old.
    Ticket,
    /// Tokens are not taken here.
    NoTokens,
    /// The token is good, and somebody else's.
    OtherSubject,
    /// The token stands in a URL.
    InUrl,
}

impl Unknown {
    /// The word for it in error strings, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Unknown::Token(refused) => refused.as_str(),
            Unknown::Key => "key_unknown",
            Unknown::Ticket => "ticket_unknown",
            Unknown::NoTokens => "tokens_not_taken",
            Unknown::OtherSubject => "token_of_another_subject",
            Unknown::InUrl => "token_in_url",
        }
    }

    /// What it means, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Unknown::Token(refused) => refused.sentence(),
            Unknown::Key => "there is no such API key, or it has expired",
            Unknown::Ticket => "the ticket has been used, or is older than half a minute",
            Unknown::NoTokens => "this server has no [[tokens.key]], so it takes no tokens",
            Unknown::OtherSubject => "the token is good, and is somebody else's than the session",
            Unknown::InUrl => {
                "a token does not stand in a URL, which ends up in logs: ask POST /ticket for a ticket"
            }
        }
    }
}
