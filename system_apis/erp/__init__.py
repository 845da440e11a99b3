"""The contract `openapi/system/erp`, served the same for every vendor."""
