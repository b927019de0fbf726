//! What holds for all conversations and for all bytes.

use allocation_counter::measure;
use bayeux::websocket::{Decoder, Limits, Opcode, Role, Violation, write_fragment, write_masked_frame};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::peer::{Heard, ROOMY, Reader};

/// A message or control frame, how it is cut into fragments, and the control frames between them.
#[derive(Clone, Debug)]
struct Saying {
    what: Heard,
    cuts: Vec<Index>,
    between: Vec<Heard>,
}

fn control() -> impl Strategy<Value = Heard> {
    prop_oneof![
        vec(any::<u8>(), 0..=125).prop_map(Heard::Ping),
        vec(any::<u8>(), 0..=125).prop_map(Heard::Pong),
    ]
}

fn message() -> impl Strategy<Value = Heard> {
    prop_oneof![
        4 => vec(any::<char>(), 0..60).prop_map(|text| Heard::Text(text.into_iter().collect())),
        4 => vec(any::<u8>(), 0..300).prop_map(Heard::Binary),
        1 => (0..70_000usize, any::<u8>()).prop_map(|(length, byte)| Heard::Binary(vec![byte; length])),
    ]
}

fn saying() -> impl Strategy<Value = Saying> {
    let fragmented = (message(), vec(any::<Index>(), 0..5), vec(control(), 0..4))
        .prop_map(|(what, cuts, between)| Saying { what, cuts, between });
    let alone = control().prop_map(|what| Saying { what, cuts: vec![], between: vec![] });
    prop_oneof![3 => fragmented, 1 => alone]
}

/// A conversation on the wire, and what is to be heard of it.
fn spoken(role: Role, mask: [u8; 4], sayings: &[Saying]) -> (Vec<u8>, Vec<Heard>) {
    let (mut out, mut heard) = (Vec::new(), Vec::new());
    let write = |out: &mut Vec<u8>, opcode, fin, payload: &[u8]| match role {
        Role::Server => write_masked_frame(out, opcode, fin, mask, payload),
        Role::Client => write_fragment(out, opcode, fin, payload),
    };
    for Saying { what, cuts, between } in sayings {
        let (opcode, payload) = opcode_and_payload(what);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        cuts.sort_unstable();
        let mut between = between.iter();
        let mut start = 0;
        for (count, cut) in cuts.iter().enumerate() {
            write(
                &mut out,
                if count == 0 { opcode } else { Opcode::Continuation },
                false,
                &payload[start..*cut],
            );
            start = *cut;
            if let Some(control) = between.next() {
                let (opcode, payload) = opcode_and_payload(control);
                write(&mut out, opcode, true, payload);
                heard.push(control.clone());
            }
        }
        write(&mut out, if cuts.is_empty() { opcode } else { Opcode::Continuation }, true, &payload[start..]);
        heard.push(what.clone());
    }
    (out, heard)
}

fn opcode_and_payload(heard: &Heard) -> (Opcode, &[u8]) {
    match heard {
        Heard::Text(text) => (Opcode::Text, text.as_bytes()),
        Heard::Binary(bytes) => (Opcode::Binary, bytes),
        Heard::Ping(bytes) => (Opcode::Ping, bytes),
        Heard::Pong(bytes) => (Opcode::Pong, bytes),
        Heard::Close(..) => unreachable!("no strategy says it"),
    }
}

/// Pieces cut at the given places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect()
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

fn hear_in_pieces(
    role: Role,
    limits: Limits,
    pieces: Vec<&[u8]>,
) -> (Vec<Heard>, Result<(), Violation>, bool) {
    let mut reader = Reader::new(role, limits);
    let result = reader.feed_all(pieces);
    (reader.heard, result, reader.decoder.is_idle())
}

/// Bytes that get further than noise does: frames with well-made headers and any content.
fn plausible_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x00u8, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A]),
        1 => any::<u8>(),
    ];
    let content = prop_oneof![
        vec(any::<u8>(), 0..20),
        "[a-zü€🦀]{0,20}".prop_map(String::into_bytes),
        vec(Just(b'x'), 100..400),
    ];
    (first, any::<[u8; 4]>(), content).prop_map(|(first, mask, content)| {
        let mut out = Vec::new();
        write_masked_frame(&mut out, Opcode::Text, true, mask, &content);
        out[0] = first;
        out
    })
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => vec(any::<u8>(), 0..200),
        4 => (vec(plausible_frame(), 0..8), any::<Option<Index>>(), any::<u8>()).prop_map(|(frames, place, byte)| {
            let mut bytes = frames.concat();
            if let Some(place) = place && !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            bytes
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_said_is_heard(
        role in role(),
        mask in any::<[u8; 4]>(),
        sayings in vec(saying(), 0..6),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let (bytes, heard) = spoken(role, mask, &sayings);
        prop_assert_eq!(hear_in_pieces(role, ROOMY, pieces(&bytes, &cuts)), (heard.clone(), Ok(()), true));
        prop_assert_eq!(hear_in_pieces(role, ROOMY, bytes.chunks(1).collect()), (heard, Ok(()), true));
    }

    #[test]
    fn any_bytes_come_to_the_same_in_any_pieces(
        role in role(),
        bytes in any_bytes(),
        cuts in vec(any::<Index>(), 0..12),
        message_bytes in 0..500usize,
        fragments in 0..4usize,
    ) {
        let limits = Limits { message_bytes, fragments };
        let whole = hear_in_pieces(role, limits, vec![&bytes]);
        prop_assert_eq!(&hear_in_pieces(role, limits, pieces(&bytes, &cuts)), &whole);
        prop_assert_eq!(&hear_in_pieces(role, limits, bytes.chunks(1).collect()), &whole);
        for heard in &whole.0 {
            match heard {
                Heard::Text(text) => prop_assert!(text.len() <= message_bytes),
                Heard::Binary(bytes) => prop_assert!(bytes.len() <= message_bytes),
                Heard::Ping(bytes) | Heard::Pong(bytes) => prop_assert!(bytes.len() <= 125),
                Heard::Close(_, reason) => prop_assert!(reason.len() <= 123),
            }
        }
        if let Err(violation) = whole.1 {
            prop_assert!([1002, 1007, 1009].contains(&violation.code));
        }
    }

    #[test]
    fn any_bytes_cost_no_more_than_the_limits(
        bytes in any_bytes(),
        piece in 1..50usize,
        message_bytes in 0..500usize,
    ) {
        let limits = Limits { message_bytes, fragments: 4 };
        let mut bytes = bytes;
        let mut decoder = Decoder::default();
        let used = measure(|| {
            for piece in bytes.chunks_mut(piece) {
                if decoder.feed(Role::Server, &limits, piece, |_| {}).is_err() {
                    break;
                }
            }
        });
        // The message and a control frame, each twice while its buffer grows, and the box they hang on.
        let most = 2 * message_bytes + 2 * 125 + 256;
        prop_assert!(used.bytes_max <= most as u64, "{} bytes, {} expected", used.bytes_max, most);
        prop_assert!(!decoder.is_idle() || used.bytes_current == 0, "idle, and {} bytes kept", used.bytes_current);
    }
}
