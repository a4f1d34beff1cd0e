// The translation unit that a precompiled header needs to belong to.
