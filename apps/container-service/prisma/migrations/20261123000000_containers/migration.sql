CREATE TABLE "containers" (
    "node_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "image_id" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL,
    "record" JSONB NOT NULL,

    CONSTRAINT "containers_pkey" PRIMARY KEY ("node_id", "id")
);

CREATE INDEX "containers_node_id_status_idx" ON "containers"("node_id", "status");
