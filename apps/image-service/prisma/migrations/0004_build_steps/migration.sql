CREATE TABLE "build_steps" (
  "node_id" TEXT NOT NULL,
  "key" TEXT NOT NULL,
  "parent_key" TEXT,
  "config" BYTEA NOT NULL,
  "top_chain_id" TEXT,
  "created_by" TEXT NOT NULL,
  "size" BIGINT NOT NULL,
  "job_id" TEXT NOT NULL,
  "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "last_used_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "usage_count" INTEGER NOT NULL DEFAULT 0,
  CONSTRAINT "build_steps_pkey" PRIMARY KEY ("node_id", "key"),
  CONSTRAINT "build_steps_node_id_top_chain_id_fkey" FOREIGN KEY ("node_id", "top_chain_id")
    REFERENCES "layers" ("node_id", "chain_id") ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE INDEX "build_steps_node_id_top_chain_id_idx" ON "build_steps" ("node_id", "top_chain_id");
CREATE INDEX "build_steps_node_id_parent_key_idx" ON "build_steps" ("node_id", "parent_key");
