//! From bytes, however they are cut, to messages.

use std::{mem, ops::ControlFlow, str};

use super::{
    Event, Limits, Opcode, Role, Violation,
    frame::{Frame, MAX_CONTROL_PAYLOAD, MAX_HEADER},
    is_valid_close_code,
    message::{INVALID_UTF8, Message, append},
};

static TOO_BIG: Violation = Violation::too_big("message too big");
static TOO_MANY_FRAGMENTS: Violation = Violation::too_big("message in too many fragments");
static CLOSE_CUT: Violation = Violation::protocol("close frame with half a code");
static CLOSE_CODE: Violation = Violation::protocol("invalid close code");

/// Reads one direction of a connection.
///
/// The default is the start of a connection: idle. An idle decoder owns no memory on the heap; it takes some
/// when the input ends inside a frame or between two fragments, and gives it back with the message's end.
#[derive(Default)]
pub struct Decoder(State);

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Kept(Box<Kept>),
    Closed,
    Failed(&'static Violation),
}

impl Decoder {
    /// Takes all of `input`, unmasks it in place, and calls `on` for every message or control frame that is
    /// complete, in the order of their ends.
    ///
    /// A message that lies in `input` as one frame is handed out where it lies. What must wait for the rest
    /// is kept in a buffer that grows as bytes arrive, whatever length was announced, and never past
    /// [`Limits::message_bytes`] (or 125 bytes for a control frame). Text that cannot become valid is
    /// refused as soon as the byte that shows it is here.
    ///
    /// After a close frame all further input is dropped unread (RFC 6455, 5.5.1).
    ///
    /// # Errors
    /// What the peer did wrong. Events before it have been handed out; from then on every call returns the
    /// same violation.
    pub fn feed(
        &mut self,
        role: Role,
        limits: &Limits,
        input: &mut [u8],
        mut on: impl FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        // Should `on` panic, the place in the stream is lost, and closed is the state that reads no more.
        let kept = match mem::replace(&mut self.0, State::Closed) {
            State::Idle => None,
            State::Kept(kept) => Some(kept),
            State::Closed => return Ok(()),
            State::Failed(violation) => {
                self.0 = State::Failed(violation);
                return Err(*violation);
            }
        };
        match read(kept, role, limits, input, &mut on) {
            Ok(state) => {
                self.0 = state;
                Ok(())
            }
            Err(violation) => {
                self.0 = State::Failed(violation);
                Err(*violation)
            }
        }
    }

    /// Whether nothing is kept: the last input ended with the end of a message, or reading is over.
    pub fn is_idle(&self) -> bool {
        !matches!(self.0, State::Kept(_))
    }
}

/// What has arrived of things that are not complete.
#[derive(Default)]
struct Kept {
    /// A header that is cut.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// A frame whose payload is cut.
    frame: Option<Frame>,
    /// The payload so far, if that frame is a control frame.
    control: Vec<u8>,
    /// The message so far, which control frames may interrupt.
    message: Option<Message>,
}

impl Kept {
    fn is_empty(&self) -> bool {
        self.header_len == 0 && self.frame.is_none() && self.message.is_none()
    }
}

fn read(
    mut kept: Option<Box<Kept>>,
    role: Role,
    limits: &Limits,
    mut input: &mut [u8],
    on: &mut impl FnMut(Event<'_>),
) -> Result<State, &'static Violation> {
    while !input.is_empty() {
        let mut frame = match kept.as_mut().and_then(|kept| kept.frame.take()) {
            Some(frame) => frame,
            None => match read_header(&mut kept, role, input)? {
                Some((frame, size)) => {
                    input = &mut input[size..];
                    admit(&frame, &mut kept, limits)?;
                    frame
                }
                None => break,
            },
        };

        let arrived = frame.left.min(input.len() as u64) as usize;
        // Some peers write header and payload apart; the payload may still be handed out where it lies.
        if arrived == 0 && frame.left > 0 {
            kept.get_or_insert_default().frame = Some(frame);
            break;
        }
        let (payload, rest) = input.split_at_mut(arrived);
        input = rest;
        frame.unmask(payload);

        if frame.opcode.is_control() {
            if read_control(&mut kept, frame, payload, on)?.is_break() {
                return Ok(State::Closed);
            }
        } else {
            read_data(&mut kept, frame, payload, limits, on)?;
        }
    }
    Ok(match kept {
        Some(kept) if !kept.is_empty() => State::Kept(kept),
        _ => State::Idle,
    })
}

/// The header at the start of `input`, or of what was kept before it, and how many bytes of `input` it
/// takes; if it is cut, all of `input` is kept.
fn read_header(
    kept: &mut Option<Box<Kept>>,
    role: Role,
    input: &[u8],
) -> Result<Option<(Frame, usize)>, &'static Violation> {
    let in_message = kept.as_ref().is_some_and(|kept| kept.message.is_some());
    let before = kept.as_ref().map_or(0, |kept| kept.header_len);
    if before == 0
        && let Some(found) = Frame::read(input, role, in_message)?
    {
        return Ok(Some(found));
    }
    let kept = kept.get_or_insert_default();
    let more = input.len().min(MAX_HEADER - before);
    kept.header[before..before + more].copy_from_slice(&input[..more]);
    kept.header_len = before + more;
    let found = Frame::read(&kept.header[..kept.header_len], role, in_message)?;
    Ok(found.map(|(frame, size)| {
        kept.header_len = 0;
        (frame, size - before)
    }))
}

/// Checks a frame of a message against the limits, before any of its payload is kept.
fn admit(frame: &Frame, kept: &mut Option<Box<Kept>>, limits: &Limits) -> Result<(), &'static Violation> {
    if frame.opcode.is_control() {
        return Ok(());
    }
    let (bytes, fragments) = match kept.as_mut().and_then(|kept| kept.message.as_mut()) {
        Some(message) => {
            message.fragments += 1;
            (message.len(), message.fragments)
        }
        None => (0, 1),
    };
    if frame.left > limits.message_bytes.saturating_sub(bytes) as u64 {
        return Err(&TOO_BIG);
    }
    if fragments > limits.fragments {
        return Err(&TOO_MANY_FRAGMENTS);
    }
    Ok(())
}

fn read_control(
    kept: &mut Option<Box<Kept>>,
    frame: Frame,
    payload: &[u8],
    on: &mut impl FnMut(Event<'_>),
) -> Result<ControlFlow<()>, &'static Violation> {
    let joined;
    let payload = if frame.left == 0 && kept.as_ref().is_none_or(|kept| kept.control.is_empty()) {
        payload
    } else {
        let kept = kept.get_or_insert_default();
        append(&mut kept.control, payload, MAX_CONTROL_PAYLOAD);
        if frame.left > 0 {
            kept.frame = Some(frame);
            return Ok(ControlFlow::Continue(()));
        }
        joined = mem::take(&mut kept.control);
        &joined
    };
    match frame.opcode {
        Opcode::Ping => on(Event::Ping(payload)),
        Opcode::Pong => on(Event::Pong(payload)),
        _ => {
            on(read_close(payload)?);
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn read_close(payload: &[u8]) -> Result<Event<'_>, &'static Violation> {
    let (code, reason) = match payload {
        [] => (None, payload),
        [_] => return Err(&CLOSE_CUT),
        [high, low, reason @ ..] => (Some(u16::from_be_bytes([*high, *low])), reason),
    };
    if code.is_some_and(|code| !is_valid_close_code(code)) {
        return Err(&CLOSE_CODE);
    }
    let reason = str::from_utf8(reason).map_err(|_| &INVALID_UTF8)?;
    Ok(Event::Close { code, reason })
}

fn read_data(
    kept: &mut Option<Box<Kept>>,
    frame: Frame,
    payload: &[u8],
    limits: &Limits,
    on: &mut impl FnMut(Event<'_>),
) -> Result<(), &'static Violation> {
    if frame.left == 0 && frame.fin && kept.as_ref().is_none_or(|kept| kept.message.is_none()) {
        on(match frame.opcode {
            Opcode::Text => Event::Text(str::from_utf8(payload).map_err(|_| &INVALID_UTF8)?),
            _ => Event::Binary(payload),
        });
        return Ok(());
    }
    let kept = kept.get_or_insert_default();
    let message = kept.message.get_or_insert_with(|| Message::new(frame.opcode));
    message.push(payload, limits.message_bytes)?;
    if frame.left > 0 {
        kept.frame = Some(frame);
    } else if frame.fin {
        on(message.finish()?);
        kept.message = None;
    }
    Ok(())
}
