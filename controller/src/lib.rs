//! The controller: assigns addresses to Services.
