//! Tests of endings.
