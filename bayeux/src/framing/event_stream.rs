//! Event streams (WHATWG HTML, "Server-sent events"), as a browser's `EventSource` reads them.

use super::TooLarge;

/// What a reader is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The last id that the stream has named, with this event or before; where to go on after a break.
    pub id: Option<Box<str>>,
    /// The type of the event: the channel, where the server names it.
    pub event: Option<Box<str>>,
    /// Its lines, joined by line feeds.
    pub data: Box<str>,
}

/// Takes a stream apart that arrives in pieces.
#[derive(Debug)]
pub struct Unframer {
    limit: usize,
    /// The line that has begun.
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed right after it belongs to the same line break.
    returned: bool,
    /// No line has been read yet: the first may begin with a byte order mark.
    fresh: bool,
    id: Option<Box<str>>,
    event: Option<Box<str>>,
    data: String,
}

impl Unframer {
    /// Refuses events of more than `limit` bytes, counted over the lines of data and the line that has begun.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            returned: false,
            fresh: true,
            id: None,
            event: None,
            data: String::new(),
        }
    }

    /// Takes what arrived, and hands out each event that is complete. Comments, unknown fields, and events
    /// without data are left out. What is not UTF-8 becomes U+FFFD.
    ///
    /// # Errors
    /// [`TooLarge`] at the first event past the limit; after that there is nothing to be had any more.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Event)) -> Result<(), TooLarge> {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.returned) && first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let (more, after) = rest.split_at(end.unwrap_or(rest.len()));
            // Invalid bytes grow threefold when they are replaced, so this bounds the line, not the text.
            if self.data.len() + self.line.len() + more.len() > self.limit {
                return Err(TooLarge { limit: self.limit });
            }
            self.line.extend_from_slice(more);
            let Some(&end) = after.first() else { break };
            self.returned = end == b'\r';
            rest = &after[1..];
            let mut line = std::mem::take(&mut self.line);
            self.take_line(&line, &mut each);
            line.clear();
            self.line = line;
        }
        Ok(())
    }

    fn take_line(&mut self, line: &[u8], each: &mut impl FnMut(Event)) {
        let text = String::from_utf8_lossy(line);
        let mut text = &*text;
        if std::mem::take(&mut self.fresh) {
            text = text.strip_prefix('\u{feff}').unwrap_or(text);
        }
        if text.is_empty() {
            let event = self.event.take();
            // Each line of data has left a line feed behind: an event with one empty line is not empty.
            if self.data.pop().is_some() {
                let data = std::mem::take(&mut self.data).into();
                each(Event { id: self.id.clone(), event, data });
            }
            return;
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // An empty type is the default one.
            "event" => self.event = Some(value.into()).filter(|_| !value.is_empty()),
            "id" if !value.contains('\0') => self.id = Some(value.into()),
            _ => {}
        }
    }
}
