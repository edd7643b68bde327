//! Our MessagePack against somebody else's.

use crate::wire::msgpack::{Malformed, Reader, Token, Writer};
use proptest::prelude::*;
use rmpv::ValueRef;

/// How deep the other one follows; ours needs no bound.
const DEPTH: usize = 200;

/// What the other one reads, and how many bytes of it; nothing if it is malformed, or deeper than it goes.
fn theirs(bytes: &[u8]) -> Option<(ValueRef<'_>, usize)> {
    let mut rest = bytes;
    let value = rmpv::decode::read_value_ref_with_max_depth(&mut rest, DEPTH).ok()?;
    Some((value, bytes.len() - rest.len()))
}

/// Whether the tokens that follow are those of a value.
fn agrees(reader: &mut Reader<'_>, value: &ValueRef<'_>) -> bool {
    match (reader.next_token().unwrap(), value) {
        (Token::Nil, ValueRef::Nil) => true,
        (Token::Boolean(ours), ValueRef::Boolean(theirs)) => ours == *theirs,
        (Token::Unsigned(ours), ValueRef::Integer(theirs)) => theirs.as_u64() == Some(ours),
        (Token::Negative(ours), ValueRef::Integer(theirs)) => ours < 0 && theirs.as_i64() == Some(ours),
        (Token::Float(ours), ValueRef::F32(theirs)) => ours.to_bits() == f64::from(*theirs).to_bits(),
        (Token::Float(ours), ValueRef::F64(theirs)) => ours.to_bits() == theirs.to_bits(),
        (Token::Raw(ours), ValueRef::String(theirs)) => ours == theirs.as_bytes(),
        (Token::Raw(ours), ValueRef::Binary(theirs)) => ours == *theirs,
        (Token::Extension(class, ours), ValueRef::Ext(theirs, data)) => {
            class.cast_signed() == *theirs && ours == *data
        }
        (Token::Array(count), ValueRef::Array(items)) => {
            count as usize == items.len() && items.iter().all(|item| agrees(reader, item))
        }
        (Token::Map(count), ValueRef::Map(pairs)) => {
            count as usize == pairs.len()
                && pairs.iter().all(|(key, value)| agrees(reader, key) && agrees(reader, value))
        }
        _ => false,
    }
}

fn compare(bytes: &[u8]) {
    let mut ours = Reader::new(bytes);
    match (ours.skip(), theirs(bytes)) {
        (Ok(()), Some((value, length))) => {
            assert_eq!(bytes.len() - ours.rest().len(), length, "{bytes:02x?}");
            assert!(agrees(&mut Reader::new(bytes), &value), "{bytes:02x?}: {value}");
        }
        // The one byte of no meaning is nil to them.
        (Err(Malformed::Reserved), _) => {}
        (Err(error), theirs) => assert!(theirs.is_none(), "{bytes:02x?}: {error:?}, {theirs:?}"),
        (Ok(()), None) => assert!(bytes.len() > DEPTH / 2, "{bytes:02x?}"),
    }
}

proptest! {
    #[test]
    fn both_read_the_same_of_any_bytes(bytes in prop::collection::vec(
        prop_oneof![any::<u8>(), 0x80..0xe0_u8, 0xc0..0xe0_u8], 0..40))
    {
        compare(&bytes);
    }

    #[test]
    fn what_we_write_they_read(number in any::<u64>(), signed in any::<u32>(), switch: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..70), shift in 0..64_u32)
    {
        let number = number >> shift;
        let signed = signed >> (shift / 2);
        let mut written = Vec::new();
        let mut writer = Writer(&mut written);
        writer.map(3);
        writer.unsigned(number);
        writer.signed(signed);
        writer.bytes(&bytes);
        writer.bytes_or_nil(&bytes);
        writer.boolean(switch);
        writer.unsigned(0);
        let (value, length) = theirs(&written).unwrap();
        prop_assert_eq!(length, written.len());
        let pairs = value.to_owned();
        let pairs = pairs.as_map().unwrap();
        prop_assert_eq!(pairs[0].0.as_u64(), Some(number));
        prop_assert_eq!(pairs[0].1.as_u64(), Some(u64::from(signed)));
        let rmpv::Value::String(text) = &pairs[1].0 else { panic!("{value}") };
        prop_assert_eq!(text.as_bytes(), &bytes[..]);
        prop_assert_eq!(pairs[1].1.is_nil(), bytes.is_empty());
        prop_assert_eq!(pairs[2].0.as_bool(), Some(switch));
    }
}

#[test]
fn every_first_byte_is_read_alike() {
    for first in 0..=u8::MAX {
        for filling in [0, 1, 0xff] {
            for length in 0..24 {
                compare(&[&[first][..], &vec![filling; length]].concat());
            }
        }
    }
}

#[test]
fn long_text_and_bytes_are_written_in_the_old_form() {
    for (length, head) in [
        (0, vec![0xa0]),
        (31, vec![0xbf]),
        (32, vec![0xda, 0, 32]),
        (255, vec![0xda, 0, 255]),
        (65_535, vec![0xda, 0xff, 0xff]),
        (65_536, vec![0xdb, 0, 1, 0, 0]),
    ] {
        let mut written = Vec::new();
        Writer(&mut written).bytes(&vec![b'x'; length]);
        assert_eq!(written.len(), head.len() + length);
        assert!(written.starts_with(&head), "{length}");
        assert_eq!(Reader::new(&written).bytes().unwrap().len(), length);
    }
}

#[test]
fn text_and_bytes_are_read_in_both_forms() {
    for (form, written) in [
        ("fixed", b"\xa2hi".to_vec()),
        ("str 8", b"\xd9\x02hi".to_vec()),
        ("bin 8", b"\xc4\x02hi".to_vec()),
        ("raw 16", b"\xda\x00\x02hi".to_vec()),
        ("bin 16", b"\xc5\x00\x02hi".to_vec()),
        ("raw 32", b"\xdb\x00\x00\x00\x02hi".to_vec()),
        ("bin 32", b"\xc6\x00\x00\x00\x02hi".to_vec()),
    ] {
        assert_eq!(Reader::new(&written).bytes(), Ok(&b"hi"[..]), "{form}");
    }
}

#[test]
fn what_is_something_else_is_refused_and_nil_is_nothing() {
    let unexpected = |outcome: Result<(), Malformed>| matches!(outcome, Err(Malformed::Unexpected { .. }));
    assert!(unexpected(Reader::new(b"\x01").bytes().map(drop)));
    assert!(unexpected(Reader::new(b"\x01").map().map(drop)));
    assert!(unexpected(Reader::new(b"\x01").boolean().map(drop)));
    assert!(unexpected(Reader::new(b"\xa0").number_of::<u8>().map(drop)));
    assert!(unexpected(Reader::new(b"\xcd\x01\x00").number_of::<u8>().map(drop)));
    assert!(unexpected(Reader::new(b"\xff").number_of::<u32>().map(drop)));
    assert_eq!(Reader::new(b"\xff").number_of::<i64>(), Ok(-1));
    assert_eq!(Reader::new(b"\xd2\x00\x00\x00\xff").number_of::<u8>(), Ok(255));
    assert_eq!(Reader::new(b"\xc0").bytes(), Ok(&b""[..]));
    assert_eq!(Reader::new(b"\xc0").map(), Ok(0));
    assert_eq!(Reader::new(b"\xc0").boolean(), Ok(false));
    assert_eq!(Reader::new(b"\xc0").number_of::<u16>(), Ok(0));
}

#[test]
fn claims_of_more_than_there_is_cost_nothing_and_say_what_is_missing() {
    let missing = |bytes: &[u8]| match Reader::new(bytes).skip() {
        Err(Malformed::Truncated { missing }) => missing,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(b""), 1);
    assert_eq!(missing(b"\xdb\xff\xff\xff\xff"), 0xffff_ffff);
    assert_eq!(missing(b"\xdd\xff\xff\xff\xff"), 0xffff_ffff);
    assert_eq!(missing(b"\xdf\xff\xff\xff\xff"), 2 * 0xffff_ffff);
    assert_eq!(missing(b"\xc9\xff\xff\xff\xff\x05"), 0xffff_ffff);
    assert_eq!(missing(b"\xda\x00\x09abc"), 6);
    // Lists in lists, each of them claiming more: no recursion, and the sum does not overflow.
    assert!(missing(&b"\xdf\xff\xff\xff\xff".repeat(100_000)) > 0);
    assert_eq!(missing(&[0x91; 100_000]), 1);
}
