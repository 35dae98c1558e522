-- Letters of a read model that is being made anew stand beside those of the live one.
ALTER TABLE {{schema}}.deadletters ADD COLUMN shadow boolean NOT NULL DEFAULT false;
ALTER TABLE {{schema}}.deadletters ALTER COLUMN shadow DROP DEFAULT;
ALTER TABLE {{schema}}.deadletters DROP CONSTRAINT deadletters_pkey, ADD PRIMARY KEY (consumer, shadow, key, position);
