//! What the allocator can be told to do otherwise.

/// How addresses are given out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// The `--lb-class` served; empty for none.
    pub class: String,
    /// What a Service gets that asks for a pool that does not exist.
    pub unknown_pool: UnknownPool,
}

/// What a Service gets whose pool annotation is the name of no pool.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UnknownPool {
    /// Nothing: it waits for that pool.
    #[default]
    Pending,
    /// What it would get without the annotation. When the pool comes into being, it moves there.
    AnyAutoAssign,
}
