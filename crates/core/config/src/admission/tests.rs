//! Contract 01 §9.
