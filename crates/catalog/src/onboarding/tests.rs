//! Tests of `onboarding`.
