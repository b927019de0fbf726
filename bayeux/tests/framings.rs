//! What one side frames the other takes apart, wherever the network cuts it.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a wrong assumption is told")]

mod strategies;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bayeux::framing::{array, event_stream, lines};
use bayeux::{Draft, Framing, Message, Payload, Position, parse_answers};
use proptest::prelude::*;
use serde_json::Value;

type Sent = (bayeux::Channel, Payload);

fn messages() -> impl Strategy<Value = Vec<Sent>> {
    prop::collection::vec((strategies::channel(), strategies::payload()), 0..4)
}

fn seal(sent: &[Sent]) -> Vec<Message> {
    let seal = |(sequence, (channel, payload)): (usize, &Sent)| {
        let position = Position { epoch: 1, sequence: sequence as u64 };
        Draft { channel: channel.clone(), id: None, payload: payload.clone() }.seal(position)
    };
    sent.iter().enumerate().map(seal).collect()
}

fn join(framing: Framing, messages: &[Message]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        framing.push(&mut out, message, index == 0);
        // A heartbeat may come between any two.
        if index % 2 == 1 {
            out.extend_from_slice(framing.heartbeat());
        }
    }
    out
}

/// The whole, its bytes one by one, and every cut in two.
fn cuts(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let in_two = (0..=bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]);
    [vec![bytes], bytes.chunks(1).collect()].into_iter().chain(in_two)
}

/// What a reader of an event stream gets to see of a payload.
fn as_event_data(payload: &Payload, data: &str) -> bool {
    match payload {
        Payload::Json(raw) => {
            serde_json::from_str::<Value>(data).unwrap() == serde_json::from_str::<Value>(raw.get()).unwrap()
        }
        Payload::Text { text, .. } => data == text.replace("\r\n", "\n").replace('\r', "\n"),
        Payload::Bytes { bytes, .. } => data == STANDARD.encode(bytes),
    }
}

proptest! {
    #[test]
    fn arrays(sent in messages()) {
        let messages = seal(&sent);
        let body = [b"[", &join(Framing::Array, &messages)[..], b"]"].concat();
        let taken: Vec<_> = array::unframe(&body).unwrap().iter().map(|raw| raw.get()).collect();
        let expected: Vec<_> =
            messages.iter().map(|message| str::from_utf8(message.json()).unwrap()).collect();
        prop_assert_eq!(taken, expected);
        let answers = parse_answers(&body).unwrap();
        prop_assert_eq!(answers.len(), sent.len());
        for (answer, (channel, _)) in answers.iter().zip(&sent) {
            prop_assert_eq!(&*answer.channel, channel.as_str());
            prop_assert!(answer.data.is_some() && answer.successful.is_none() && answer.id.is_none());
        }
    }

    #[test]
    fn lines(sent in messages()) {
        let messages = seal(&sent);
        let stream = join(Framing::Lines, &messages);
        let expected: Vec<_> = messages.iter().map(|message| message.json().to_vec()).collect();
        for pieces in cuts(&stream) {
            let mut unframer = lines::Unframer::new(64 * 1024);
            let mut taken = Vec::new();
            for piece in pieces {
                unframer.push(piece, |line| taken.push(line.to_vec())).unwrap();
            }
            prop_assert_eq!(&taken, &expected);
        }
    }

    #[test]
    fn event_streams(sent in messages(), named in any::<bool>()) {
        let stream = join(Framing::EventStream { named }, &seal(&sent));
        for pieces in cuts(&stream) {
            let mut unframer = event_stream::Unframer::new(64 * 1024);
            let mut taken = Vec::new();
            for piece in pieces {
                unframer.push(piece, |event| taken.push(event)).unwrap();
            }
            prop_assert_eq!(taken.len(), sent.len());
            for (index, (event, (channel, payload))) in taken.iter().zip(&sent).enumerate() {
                let position = Position { epoch: 1, sequence: index as u64 };
                prop_assert_eq!(event.id.as_deref().unwrap().parse(), Ok(position));
                prop_assert_eq!(event.event.as_deref(), named.then_some(channel.as_str()));
                prop_assert!(as_event_data(payload, &event.data), "{:?} became {:?}", payload, event);
            }
        }
    }

    #[test]
    fn websocket_frames(sent in messages(), padding in prop::sample::select(vec![0, 100, 200, 70_000])) {
        let long = Payload::Text { content_type: "text/plain".into(), text: "x".repeat(padding).into() };
        let mut sent = sent;
        sent.push((bayeux::Channel::parse("/long").unwrap(), long));
        let messages = seal(&sent);
        let stream = join(Framing::WebSocket, &messages);
        let (mut rest, mut taken) = (&stream[..], Vec::new());
        while let [first, second, after @ ..] = rest {
            // RFC 6455, section 5.2, for what a server sends: no mask, no fragments.
            let (length, after) = match second {
                126 => (usize::from(u16::from_be_bytes(after[..2].try_into().unwrap())), &after[2..]),
                127 => (u64::from_be_bytes(after[..8].try_into().unwrap()) as usize, &after[8..]),
                length => (usize::from(*length), after),
            };
            match first {
                0x81 => taken.push(&after[..length]),
                first => prop_assert_eq!((*first, length), (0x89, 0)),
            }
            rest = &after[length..];
        }
        prop_assert!(rest.is_empty());
        let expected: Vec<_> =
            messages.iter().map(|message| [b"[", message.json(), b"]"].concat()).collect();
        prop_assert_eq!(taken, expected);
    }
}

#[test]
fn an_event_stream_is_read_as_the_specification_of_html_tells() {
    let stream = "\u{feff}: a comment\nid: 1\ndata: one\ndata:two\ndata:  three\n\n\
                  event: /a\nretry: 10\nunknown\ndata\n\nid\n\ndata: kept open\n";
    for line_break in ["\n", "\r", "\r\n"] {
        let stream = stream.replace('\n', line_break);
        for pieces in cuts(stream.as_bytes()) {
            let mut unframer = event_stream::Unframer::new(100);
            let mut taken = Vec::new();
            for piece in pieces {
                unframer.push(piece, |event| taken.push((event.id, event.event, event.data))).unwrap();
            }
            let expected = [
                (Some("1".into()), None, "one\ntwo\n three".into()),
                (Some("1".into()), Some("/a".into()), "".into()),
            ];
            assert_eq!(taken, expected, "{line_break:?}");
        }
    }
}

#[test]
fn a_server_that_never_ends_a_line_is_given_up() {
    let mut unframer = lines::Unframer::new(8);
    assert_eq!(unframer.push(b"12345678\n1234", |_| {}), Ok(()));
    assert!(unframer.push(b"56789", |_| {}).is_err());
    let mut unframer = event_stream::Unframer::new(16);
    assert_eq!(unframer.push(b"data: 1234567890\n", |_| {}), Ok(()));
    assert!(unframer.push(b"data: 1", |_| {}).is_err());
}
