CREATE TABLE `balances` (
	`account` text PRIMARY KEY NOT NULL,
	`balance_nusd` integer NOT NULL,
	CONSTRAINT "balances_balance_is_integer" CHECK(typeof("balances"."balance_nusd") = 'integer')
);
--> statement-breakpoint
CREATE TABLE `entries` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`reason` text
);
--> statement-breakpoint
CREATE TABLE `lines` (
	`entry_id` text NOT NULL,
	`account` text NOT NULL,
	`amount_nusd` integer NOT NULL,
	PRIMARY KEY(`entry_id`, `account`),
	CONSTRAINT "lines_amount_is_integer" CHECK(typeof("lines"."amount_nusd") = 'integer')
);
--> statement-breakpoint
CREATE TABLE `accounts` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`is_suspended` integer DEFAULT false NOT NULL,
	`created_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `initial_keys` (
	`account_id` text NOT NULL,
	`hash` text NOT NULL,
	`kind` text NOT NULL,
	`name` text NOT NULL,
	`label` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	PRIMARY KEY(`account_id`, `hash`),
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `provider_settings` (
	`slug` text PRIMARY KEY NOT NULL,
	`is_disabled` integer DEFAULT false NOT NULL,
	`credential_sealed` text,
	`updated_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `generations` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`entry_id` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`cost_nusd` integer NOT NULL,
	`charged_nusd` integer NOT NULL,
	`record` text NOT NULL
);
