//! Test doubles and builders.
