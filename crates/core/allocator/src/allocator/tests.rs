//! Rows of contract 01 §2.4, §4 and §4.10, and properties over random histories.

mod events;
mod growth;
mod layouts;
mod pinning;
mod properties;
mod requests;
mod rows;
mod scale;
mod waiting;
mod world;
