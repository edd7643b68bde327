//! Every message is a map, and a name means the same in all of them: one reader for all.

use super::msgpack::{Malformed, Reader};

/// What a message says. What it leaves out is zero or empty, as in Go; of two alike the later one counts; what is
/// unknown is passed over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) sequence: u32,
    pub(super) incarnation: u32,
    pub(super) node: &'a [u8],
    pub(super) name: &'a [u8],
    pub(super) from: &'a [u8],
    pub(super) address: &'a [u8],
    pub(super) port: u16,
    pub(super) target: &'a [u8],
    pub(super) source_address: &'a [u8],
    pub(super) source_port: u16,
    pub(super) source_node: &'a [u8],
    pub(super) wants_nack: bool,
    pub(super) meta: &'a [u8],
    pub(super) versions: &'a [u8],
    pub(super) state: i64,
    pub(super) payload: &'a [u8],
    pub(super) error: &'a [u8],
    pub(super) algorithm: u8,
    pub(super) buffer: &'a [u8],
    pub(super) nodes: i64,
    pub(super) user_state_length: i64,
    pub(super) is_join: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        for _ in 0..reader.map()? {
            let name = reader.bytes()?;
            fields.read_field(name, reader)?;
        }
        Ok(fields)
    }

    fn read_field(&mut self, name: &[u8], reader: &mut Reader<'a>) -> Result<(), Malformed> {
        match name {
            b"SeqNo" => self.sequence = reader.number_of()?,
            b"Incarnation" => self.incarnation = reader.number_of()?,
            b"Node" => self.node = reader.bytes()?,
            b"Name" => self.name = reader.bytes()?,
            b"From" => self.from = reader.bytes()?,
            b"Addr" => self.address = reader.bytes()?,
            b"Port" => self.port = reader.number_of()?,
            b"Target" => self.target = reader.bytes()?,
            b"SourceAddr" => self.source_address = reader.bytes()?,
            b"SourcePort" => self.source_port = reader.number_of()?,
            b"SourceNode" => self.source_node = reader.bytes()?,
            b"Nack" => self.wants_nack = reader.boolean()?,
            b"Meta" => self.meta = reader.bytes()?,
            b"Vsn" => self.versions = reader.bytes()?,
            b"State" => self.state = reader.number_of()?,
            b"Payload" => self.payload = reader.bytes()?,
            b"Error" => self.error = reader.bytes()?,
            b"Algo" => self.algorithm = reader.number_of()?,
            b"Buf" => self.buffer = reader.bytes()?,
            b"Nodes" => self.nodes = reader.number_of()?,
            b"UserStateLen" => self.user_state_length = reader.number_of()?,
            b"Join" => self.is_join = reader.boolean()?,
            _ => reader.skip()?,
        }
        Ok(())
    }
}
