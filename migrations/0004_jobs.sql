CREATE TABLE `jobs` (
	`name` text PRIMARY KEY NOT NULL,
	`lease_until_ms` integer NOT NULL,
	`cursor` text
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `reconciliation_faults` (
	`started_at_ms` integer NOT NULL,
	`account_id` text NOT NULL,
	`at_ms` integer NOT NULL,
	`fault` text NOT NULL,
	PRIMARY KEY(`started_at_ms`, `account_id`, `fault`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `reconciliations` (
	`started_at_ms` integer PRIMARY KEY NOT NULL,
	`finished_at_ms` integer,
	`accounts` integer DEFAULT 0 NOT NULL,
	`gates` integer DEFAULT 0 NOT NULL,
	`faults` integer DEFAULT 0 NOT NULL
);
