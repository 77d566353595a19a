CREATE TABLE "nodes" (
  "node_id" TEXT NOT NULL,
  "known_since" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "nodes_pkey" PRIMARY KEY ("node_id")
);
-- Databases from before this table are not new ones.
INSERT INTO "nodes" ("node_id") SELECT DISTINCT "node_id" FROM "layers";
