-- What the server keeps for its clients as JSON: labels, variables, dashboards and the like; which resource has which
-- label; and secrets.

CREATE TABLE documents (
    id BIGINT NOT NULL PRIMARY KEY,
    -- The word of its kind: labels, variables, dashboards….
    kind TEXT NOT NULL,
    organisation_id BIGINT NOT NULL REFERENCES organisations (id),
    -- Who made it; may be gone.
    owner_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    -- A JSON object; its meaning is the server's.
    body TEXT NOT NULL,
    created_at_ns BIGINT NOT NULL,
    updated_at_ns BIGINT NOT NULL
);

CREATE TABLE label_mappings (
    label_id BIGINT NOT NULL REFERENCES documents (id),
    resource_type TEXT NOT NULL,
    resource_id BIGINT NOT NULL,
    PRIMARY KEY (label_id, resource_type, resource_id)
);

CREATE TABLE secrets (
    organisation_id BIGINT NOT NULL REFERENCES organisations (id),
    name TEXT NOT NULL,
    -- Base64 of a nonce of 12 bytes and the value, encrypted and authenticated with ChaCha20-Poly1305.
    ciphertext TEXT NOT NULL,
    PRIMARY KEY (organisation_id, name)
);
